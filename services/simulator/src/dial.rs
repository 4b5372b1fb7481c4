//! Destinations as documents write them.

use protocol::{Address, AddressError};

/// The address that a destination string means (Tropo WebAPI: destination strings).
///
/// After-dial options (`;postd=`, `;pause=`) are dropped, and a North American number may lack its country code. Ten
/// digits can also be a whole number of another country, and applications answer with what a session said, without
/// `+`: so they are taken for that where `known` says that it is somebody's.
pub(crate) fn destination(written: &str, known: impl Fn(&Address) -> bool) -> Result<Address, AddressError> {
    let written = written.split(';').next().unwrap_or_default();
    let address = Address::parse(written)?;
    let national: String = written.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')' | '/')).collect();
    let could_lack_the_country_code = national.len() == 10
        && national.bytes().all(|byte| byte.is_ascii_digit())
        && national.starts_with(|first| ('2'..='9').contains(&first));
    if could_lack_the_country_code && !known(&address) {
        return Address::parse(&format!("+1{national}"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: &str) {
        let norwegian = |address: &Address| address.as_str() == "+4712345678";
        assert_eq!(destination(written, norwegian).unwrap().as_str(), expected, "{written}");
    }

    #[test]
    fn a_destination_is_read_as_tropo_read_it() {
        check("15555550177", "+15555550177");
        check("+1-555-555-0177;postd=1234;pause=100ms", "+15555550177");
        check("tel:+15555550177", "+15555550177");
        check("5555550177", "+15555550177");
        check("(555) 555-0177", "+15555550177");
        check("4712345678", "+4712345678");
        check("4712345679", "+14712345679");
        check("+4712345679", "+4712345679");
        check("12345", "12345");
        check("alice@example.net", "alice@example.net");
        assert_eq!(destination(";postd=1", |_| false), Err(AddressError::Empty));
    }
}
