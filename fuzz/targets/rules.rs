//! Files of rules. What was printed is read as the same rules.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::policy::RuleSet;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(rules) = RuleSet::parse(&String::from_utf8_lossy(bytes)) {
        let printed = rules.print();
        assert_eq!(RuleSet::parse(&printed).expect("what was printed is read").print(), printed);
    }
});
