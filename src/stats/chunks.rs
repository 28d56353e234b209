//! Work cut into pieces that do not depend on the number of threads.
//!
//! Sums of floats depend on their order. So the pieces are fixed by the number of items alone, each is
//! summed from its beginning, and results are put together in the order of the pieces: the same bytes come
//! out on one thread and on sixty-four.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More pieces would balance better and cost more memory: each holds sums of its own.
const MOST_PIECES: usize = 16;
/// Below this, a thread costs more than it saves.
const FEWEST_ITEMS: usize = 1024;

/// Calls `work` with ranges that cut `0..items`, on at most `threads` threads; results in order of ranges.
pub fn map<T: Send>(items: usize, threads: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    map_heavy(items, FEWEST_ITEMS, threads, work)
}

/// The same where already `fewest` items are worth a thread.
pub fn map_heavy<T: Send>(
    items: usize,
    fewest: usize,
    threads: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let pieces = items.div_ceil(fewest).clamp(1, MOST_PIECES);
    each(pieces, threads, |piece| work(piece * items / pieces..(piece + 1) * items / pieces))
}

/// `work` of every number below `many`, in their order, whatever thread did it.
pub fn each<T: Send>(many: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = threads.clamp(1, many.max(1));
    if threads == 1 {
        return (0..many).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= many {
                return done;
            }
            done.push((number, work(number)));
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Two pieces of work that do not wait for each other, side by side where there are threads for it.
pub fn both<A, B: Send>(threads: usize, one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    if threads < 2 {
        return (one(), other());
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        match other.join() {
            Ok(other) => (one, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Adds vectors of equal length, the first one first.
pub fn sum(parts: Vec<Vec<f64>>) -> Vec<f64> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, value) in total.iter_mut().zip(part) {
            *sum += value;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_same_on_any_number_of_threads() {
        let values: Vec<f64> = (0..50_000).map(|i| (i as f64).sin() * 1e3).collect();
        let total =
            |threads| sum(map(values.len(), threads, |range| vec![values[range].iter().sum::<f64>()]))[0];
        assert_eq!(total(1).to_bits(), total(2).to_bits());
        assert_eq!(total(1).to_bits(), total(7).to_bits());
        assert_eq!(both(1, || 1, || "a"), both(2, || 1, || "a"));
        assert!(map(0, 4, |range| range.len()).iter().sum::<usize>() == 0);
        assert_eq!(map(5_000, 3, |range| range).concat_ranges(), (0..5_000).collect::<Vec<_>>());
    }

    trait Concat {
        fn concat_ranges(self) -> Vec<usize>;
    }

    impl Concat for Vec<Range<usize>> {
        fn concat_ranges(self) -> Vec<usize> {
            self.into_iter().flatten().collect()
        }
    }
}
