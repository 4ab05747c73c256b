//! Texts as they are compared and written: spellings, logins, bytes.

/// A name reduced to what two spellings of it share: lower case, letters and digits only.
///
/// `"Full-Time"`, `"full time"` and `"FullTime"` are one word to the people who typed them.
pub fn loose(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether nobody sees this character.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A name without blanks and invisible characters at its ends.
pub fn trimmed_ends(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// A name as it is meant: without blanks and invisible characters at its ends and around its words, and with one blank for several.
pub fn trimmed(name: &str) -> String {
    let words = name.split_whitespace().map(|word| word.trim_matches(is_invisible));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Characters that a text has at most where people read it.
const LONGEST: usize = 2000;

/// A text as it is shown to a person, whoever wrote it: what would move the cursor, turn the line around or is not seen is spelled
/// out, and too long a text is cut. Line ends stay.
pub fn visible(text: &str) -> String {
    let is_odd = |c: char| is_invisible(c) && !matches!(c, '\n' | '\t' | '\u{ad}');
    let cut = text.chars().nth(LONGEST).is_some();
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars().take(LONGEST) {
        if is_odd(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    if cut {
        shown.push('…');
    }
    shown
}

/// The same for each line of a text.
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// A cell of a table that a spreadsheet may open: what it would take for a formula is a text.
pub fn defused(cell: &str) -> std::borrow::Cow<'_, str> {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}").into() } else { cell.into() }
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

/// Whether a text has the shape of an id of a user in Okta.
pub fn is_user_id(text: &str) -> bool {
    text.strip_prefix("00u").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Whether an address that ends in this login leads to its account or to none. Okta reads `me`, ids and short names of others there as
/// well, and whoever builds the address reads dots.
pub fn leads_to_login(login: &str) -> bool {
    login.contains('@')
}

/// The same of an id or a login.
pub fn leads_to_one(id_or_login: &str) -> bool {
    leads_to_login(id_or_login) || is_user_id(id_or_login)
}

/// Whether a text is a UUID as Namely writes the ids of profiles: with hyphens, in capitals or not.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_at_the_ends_of_a_name_makes_no_other_name() {
        for odd in ["Sales ", " Sales", "Sales\u{200b}", "\u{feff}Sales\u{a0}", "Sales\t"] {
            assert_eq!((trimmed(odd).as_str(), trimmed_ends(odd)), ("Sales", "Sales"), "{odd:?}");
        }
        assert_eq!(trimmed_ends(" Sales  North "), "Sales  North");
        assert_eq!(visible_lines("Ann\u{1b}[2J\n\u{202e}Ben"), "Ann\\u{1b}[2J\n\\u{202e}Ben");
        assert_eq!(trimmed("Sales  North\u{200b} "), "Sales North");
        assert_eq!(trimmed("\u{200b} "), "");
    }

    #[test]
    fn spellings_of_one_word_are_one_word() {
        assert_eq!(loose("Full-Time"), loose("full time"));
        assert_eq!(loose("Office Locations"), "officelocations");
    }

    #[test]
    fn what_a_person_reads_is_what_stands_there() {
        assert_eq!(visible("Zoë Núñez-李 😀\nsecond line"), "Zoë Núñez-李 😀\nsecond line");
        assert_eq!(visible("a\u{1b}]0;x\u{7}b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(visible("gro\u{202e}piz"), "gro\\u{202e}piz");
        assert_eq!(visible(&"x".repeat(9000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn an_id_of_a_profile_is_known_by_its_form() {
        let uuid = "5f0c7a4e-0000-4000-8000-00000000000a";
        assert!(is_uuid(uuid) && is_uuid(&uuid.to_uppercase()));
        for other in
            ["", "u-1", "no_guid", "5f0c7a4e000040008000000000000000000a", "{5f0c7a4e-0000-4000-8000-00000000000}"]
        {
            assert!(!is_uuid(other), "{other}");
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_a_number_stays_one() {
        for formula in ["=1+1", "+x", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        for plain in ["Ada", "-5", "+4.5", "", "a=b"] {
            assert_eq!(defused(plain), plain);
        }
    }

    #[test]
    fn logins_differ_neither_by_case_nor_by_diacritics() {
        assert_eq!(login_key("José.Núñez@Example.com"), "jose.nunez@example.com");
    }
}
