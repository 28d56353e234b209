//! Compressed objects, recognised by their first bytes and decoded as they stream.
//!
//! Names lie (`.csv` that is gzip, `.gz` that some client has unpacked on the way), first bytes do not: no
//! text begins with those of gzip or zstd. Both formats allow a file to be several compressed pieces one
//! after the other (as `cat a.gz b.gz` and parallel compressors make them), and all of them are read. It is
//! done here and not by the SQL engine, which cuts a remote zstd object after its first piece and says
//! nothing. Memory is bounded by the format: 32 KiB for gzip, at most 128 MiB for zstd.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use super::storage_error;
use crate::error::Error;

const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// A piece of metadata before the first piece of data, its first byte aside.
const ZSTD_SKIPPABLE: &[u8] = b"\x2a\x4d\x18";
/// Of two: what a piece may look back, 128 MiB. More must be asked for (`zstd --long=31`).
const ZSTD_WINDOW_LOG: u32 = 27;

type Input<R> = BufReader<io::Chain<Cursor<Vec<u8>>, R>>;

/// The content of an object, decompressed if it was compressed.
pub(super) enum Decoded<R: Read> {
    Plain(Input<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Input<R>>>),
}

impl<R: Read> Decoded<R> {
    /// Looks at the first bytes. Fails where they cannot be read.
    pub fn new(mut input: R) -> io::Result<Self> {
        let start = read_start(&mut input, ZSTD.len())?;
        let is_skippable = matches!(start.first(), Some(0x50..=0x5f)) && start[1..] == *ZSTD_SKIPPABLE;
        let (is_gzip, is_zstd) = (start.starts_with(GZIP), start == ZSTD || is_skippable);
        let input = BufReader::new(Cursor::new(start).chain(input));
        Ok(if is_gzip {
            Decoded::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if is_zstd {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Decoded::Zstd(Box::new(decoder))
        } else {
            Decoded::Plain(input)
        })
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self {
            Decoded::Plain(input) => return input.read(buffer),
            Decoded::Gzip(decoder) => decoder.read(buffer),
            Decoded::Zstd(decoder) => decoder.read(buffer),
        };
        read.map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            // What storage says passes through the decoders as it is.
            _ if storage_error(&error).is_some() => error,
            _ => io::Error::other(
                Error::data("a compressed file is damaged or cut off")
                    .hint("write the file again; zstd may look back 128 MiB at most")
                    .caused_by(error),
            ),
        })
    }
}

/// What the beginning of an object holds, up to `most` bytes, and whether it was read to its end. Where a
/// compressed piece is cut, what comes before the cut.
pub(super) fn beginning(stored: &[u8], most: u64) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    let read = Decoded::new(stored).and_then(|decoded| decoded.take(most).read_to_end(&mut content));
    let is_whole = read.is_ok() && (content.len() as u64) < most;
    (content, is_whole)
}

/// The first bytes of an input, fewer only where it ends before.
pub fn read_start(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(length);
    input.take(length as u64).read_to_end(&mut start)?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::Kind;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    fn decoded(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Decoded::new(bytes)?.read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn content_is_recognised_by_its_first_bytes_and_read_to_its_last_piece() {
        let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
        for (bytes, expected) in [
            (b"".to_vec(), ""),
            (b"a".to_vec(), "a"),
            (b"a,b\n1,2\n".to_vec(), "a,b\n1,2\n"),
            (b"\x1f\x8b".to_vec(), "\u{1f}\u{8b}"),
            (gzip(b""), ""),
            (gzip(b"one"), "one"),
            ([gzip(b"one"), gzip(b""), gzip(b" two")].concat(), "one two"),
            (zstd(b""), ""),
            (zstd(b"one"), "one"),
            ([zstd(b"one"), zstd(b" two"), zstd(b" three")].concat(), "one two three"),
            ([skippable.to_vec(), zstd(b"one"), skippable.to_vec(), zstd(b" two")].concat(), "one two"),
        ] {
            let content = decoded(&bytes).unwrap();
            let expected =
                if bytes == b"\x1f\x8b" { b"\x1f\x8b".to_vec() } else { expected.as_bytes().to_vec() };
            assert_eq!(content, expected);
        }
    }

    #[test]
    fn many_pieces_larger_than_any_buffer_arrive_whole() {
        let piece: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n ^ (n >> 7)).to_le_bytes()).collect();
        let whole = piece.repeat(2);
        assert!(decoded(&gzip(&piece).repeat(2)).unwrap() == whole);
        assert!(decoded(&zstd(&piece).repeat(2)).unwrap() == whole);
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_an_error_of_the_data() {
        for whole in [gzip(&[7; 50_000]), zstd(&[7; 50_000])] {
            let two = whole.repeat(2);
            let mut damaged = two.clone();
            let middle = whole.len() + whole.len() / 2;
            damaged[middle] ^= 0xff;
            for bytes in [&two[..two.len() - 3], &damaged, &[two.clone(), b"garbage".to_vec()].concat()] {
                let error = decoded(bytes).unwrap_err();
                let error = storage_error(&error).expect("an error of ours");
                assert_eq!(
                    (error.kind(), error.message()),
                    (Kind::Data, "a compressed file is damaged or cut off")
                );
            }
        }
    }

    #[test]
    fn the_beginning_of_what_is_cut_off_is_what_comes_before_the_cut() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|n| format!("{n};").into_bytes()).collect();
        for stored in [text.clone(), gzip(&text), zstd(&text)] {
            let (whole, is_whole) = beginning(&stored, 1 << 30);
            assert!(is_whole && whole == text);
            let (short, is_whole) = beginning(&stored, 1000);
            assert!(!is_whole && short == text[..1000]);
            let (cut, _) = beginning(&stored[..stored.len() / 2], 1 << 30);
            assert!(cut.len() > text.len() / 4 && text.starts_with(&cut), "{} bytes", cut.len());
        }
        assert!(!beginning(&gzip(&text)[..1000], 1 << 30).1);
    }

    #[test]
    fn what_storage_says_passes_through() {
        struct Failing(Vec<u8>);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Err(io::Error::other(Error::unavailable("the object changed")));
                }
                let length = buffer.len().min(self.0.len());
                buffer[..length].copy_from_slice(&self.0[..length]);
                self.0.drain(..length);
                Ok(length)
            }
        }
        for bytes in [gzip(b"one"), zstd(b"one"), b"plain".to_vec(), b"".to_vec()] {
            let error = Decoded::new(Failing(bytes[..bytes.len().saturating_sub(1)].to_vec()))
                .and_then(|mut decoded| decoded.read_to_end(&mut Vec::new()))
                .unwrap_err();
            assert_eq!(storage_error(&error).expect("an error of ours").kind(), Kind::Unavailable);
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_of_any_content_come_back(pieces in proptest::collection::vec(".{0,200}", 1..6)) {
            let whole = pieces.concat().into_bytes();
            for pack in [gzip as fn(&[u8]) -> Vec<u8>, zstd] {
                let bytes: Vec<u8> = pieces.iter().flat_map(|piece| pack(piece.as_bytes())).collect();
                proptest::prop_assert_eq!(&decoded(&bytes).unwrap(), &whole);
            }
        }
    }
}
