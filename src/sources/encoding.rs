//! Text as UTF-8, whatever it was written in.
//!
//! A byte order mark tells the encoding and wins over the configuration; it is no part of the text. Without
//! one the text is what the configuration declares. What Latin-1 means in practice is windows-1252, in which
//! every byte is a sign. Bytes that are no text in UTF-16 come out as a byte that is none in UTF-8 either, so
//! that they cost their row and not the file; UTF-8 is passed on as it is, and judged row by row.

use std::io::{self, Chain, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::config::Encoding;
use crate::store::read_start;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_LE_MARK: &[u8] = b"\xff\xfe";
const UTF16_BE_MARK: &[u8] = b"\xfe\xff";

/// Never part of UTF-8.
const NO_TEXT: u8 = 0xff;
const PIECE: usize = 64 << 10;

/// UTF-8, or what the input held in its place.
pub enum Text<R> {
    Utf8(Chain<Cursor<Vec<u8>>, R>),
    Other(Box<Transcoded<Chain<Cursor<Vec<u8>>, R>>>),
}

impl<R: Read> Text<R> {
    /// Reads the first bytes.
    pub fn new(mut input: R, declared: Encoding) -> io::Result<Self> {
        let start = read_start(&mut input, UTF8_MARK.len())?;
        let (length, decoder) = if start.starts_with(UTF8_MARK) {
            (UTF8_MARK.len(), None)
        } else if start.starts_with(UTF16_LE_MARK) {
            (UTF16_LE_MARK.len(), Some(UTF_16LE))
        } else if start.starts_with(UTF16_BE_MARK) {
            (UTF16_BE_MARK.len(), Some(UTF_16BE))
        } else {
            let declared = match declared {
                Encoding::Utf8 => None,
                Encoding::Latin1 => Some(WINDOWS_1252),
                Encoding::Utf16 => Some(UTF_16LE),
            };
            (0, declared)
        };
        let input = Cursor::new(start[length..].to_vec()).chain(input);
        Ok(match decoder {
            None => Text::Utf8(input),
            Some(encoding) => Text::Other(Box::new(Transcoded {
                input,
                decoder: encoding.new_decoder_without_bom_handling(),
                raw: vec![0; PIECE],
                start: 0,
                end: 0,
                input_ended: false,
                text: Vec::with_capacity(4 * PIECE),
                read: 0,
                finished: false,
            })),
        })
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Text::Utf8(input) => input.read(buffer),
            Text::Other(input) => input.read(buffer),
        }
    }
}

/// Another encoding as UTF-8.
pub struct Transcoded<R> {
    input: R,
    decoder: Decoder,
    /// `raw[start..end]` has been read and not been decoded yet.
    raw: Vec<u8>,
    start: usize,
    end: usize,
    input_ended: bool,
    /// `text[read..]` has been decoded and not been handed out yet.
    text: Vec<u8>,
    read: usize,
    finished: bool,
}

impl<R: Read> Transcoded<R> {
    /// Decodes some more into `text`, which is empty unless the input has come to its end.
    fn decode(&mut self) -> io::Result<()> {
        if self.start == self.end && !self.input_ended {
            self.start = 0;
            self.end = self.input.read(&mut self.raw)?;
            self.input_ended = self.end == 0;
        }
        let room = 4 * PIECE;
        self.text.resize(room, 0);
        // A byte of room stays for the mark of what is no text.
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.raw[self.start..self.end],
            &mut self.text[..room - 1],
            self.input_ended,
        );
        self.start += read;
        self.text.truncate(written);
        self.read = 0;
        match result {
            DecoderResult::Malformed(..) => self.text.push(NO_TEXT),
            DecoderResult::InputEmpty => self.finished = self.input_ended,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.read == self.text.len() {
            if self.finished {
                return Ok(0);
            }
            self.decode()?;
        }
        let rest = &self.text[self.read..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf8(bytes: &[u8], declared: Encoding) -> Vec<u8> {
        let mut text = Vec::new();
        Text::new(bytes, declared).and_then(|mut input| input.read_to_end(&mut text)).expect("no failure");
        text
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn a_mark_wins_over_what_is_declared() {
        use Encoding::{Latin1, Utf8, Utf16};
        let text = "é€😀\n";
        for declared in [Utf8, Latin1, Utf16] {
            assert_eq!(utf8(format!("\u{feff}{text}").as_bytes(), declared), text.as_bytes());
            for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                assert_eq!(utf8(&utf16(&format!("\u{feff}{text}"), to_bytes), declared), text.as_bytes());
            }
            assert_eq!(utf8(b"", declared), b"");
        }
        assert_eq!(utf8(text.as_bytes(), Utf8), text.as_bytes());
        assert_eq!(utf8(&utf16(text, u16::to_le_bytes), Utf16), text.as_bytes());
        assert_eq!(utf8(b"caf\xe9 \x80 \x81", Latin1), "café € \u{81}".as_bytes());
        assert_eq!(utf8(b"a", Latin1), b"a");
    }

    #[test]
    fn what_is_no_text_is_marked() {
        // Half of a pair, and half of a sign at the end.
        let bytes = [b'a', 0, 0x3d, 0xd8, b'b', 0, b'c'];
        assert_eq!(utf8(&bytes, Encoding::Utf16), b"a\xffb\xff");
        assert_eq!(utf8(b"caf\xe9", Encoding::Utf8), b"caf\xe9");
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{0,400}", times in 1usize..400) {
            let text = text.repeat(times);
            proptest::prop_assert_eq!(utf8(&utf16(&text, u16::to_le_bytes), Encoding::Utf16), text.as_bytes());
        }

        #[test]
        fn any_bytes_are_latin_1(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            proptest::prop_assume!(!bytes.starts_with(UTF8_MARK));
            proptest::prop_assume!(!bytes.starts_with(UTF16_LE_MARK) && !bytes.starts_with(UTF16_BE_MARK));
            let text = utf8(&bytes, Encoding::Latin1);
            proptest::prop_assert_eq!(std::str::from_utf8(&text).expect("text").chars().count(), bytes.len());
        }
    }
}
