//! Steps: the entries of its maps that the state looks at, counted in tests.
//!
//! Every function that walks over a map or a list whose length others decide counts what it visits. The test
//! `tests/growth.rs` doubles each dimension of the state and counts again. Outside tests nothing is counted.

#[cfg(test)]
thread_local! {
    static VISITED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts entries that are looked at.
#[cfg(not(test))]
pub(crate) const fn visit(_count: usize) {}

/// Counts entries that are looked at.
#[cfg(test)]
pub(crate) fn visit(count: usize) {
    VISITED.set(VISITED.get() + count as u64);
}

/// Counts each entry of an iterator as it is looked at.
pub(crate) fn visited<I: Iterator>(entries: I) -> std::iter::Inspect<I, fn(&I::Item)> {
    entries.inspect(|_| visit(1))
}

/// Returns the number of entries that this thread has looked at.
#[cfg(test)]
pub(crate) fn taken() -> u64 {
    VISITED.get()
}
