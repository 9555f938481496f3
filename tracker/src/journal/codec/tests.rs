//! Records and their bytes.

use proptest::prelude::*;

use super::super::conformance::any_record;
use super::*;

proptest! {
    #[test]
    fn records_survive_their_byte_form(record in any_record()) {
        prop_assert_eq!(decode(&encode(&record)), Ok(record));
    }

    #[test]
    fn cut_or_extended_records_are_refused(record in any_record(), cut: prop::sample::Index) {
        let mut bytes = encode(&record);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(record) = decode(&bytes) {
            prop_assert_eq!(encode(&record), bytes);
        }
    }
}
