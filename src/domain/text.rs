//! Texts as they are compared and written: spellings, logins, bytes.

/// A name reduced to what two spellings of it share: lower case, letters and digits only.
///
/// `"Full-Time"`, `"full time"` and `"FullTime"` are one word to the people who typed them.
pub fn loose(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A login as Okta compares it: case and diacritics do not count (`okta-api.md §3.1`, duplicate login).
pub fn login_key(login: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    use unicode_normalization::char::is_combining_mark;
    login.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_word_are_one_word() {
        assert_eq!(loose("Full-Time"), loose("full time"));
        assert_eq!(loose("Office Locations"), "officelocations");
    }

    #[test]
    fn logins_differ_neither_by_case_nor_by_diacritics() {
        assert_eq!(login_key("José.Núñez@Example.com"), "jose.nunez@example.com");
    }
}
