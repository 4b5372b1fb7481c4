use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, question: &str, expected: bool) {
    let found = Words::of(text).have(&Sought::of(question));
    assert_eq!(found, expected, "{question:?} in {text:?}: {:?}", Words::of(text).iter().collect::<Vec<_>>());
}

#[test]
fn a_word_is_found_by_its_beginning_in_any_case_and_any_order() {
    let text = "Your balance is 1,250.50 KES; dial *144# for more (ref AB12X).";
    for question in ["balance", "BAL", "kes your", "144", "ab12", "1", "250", "for more", "re:f"] {
        check(text, question, true);
    }
    for question in ["alance", "balances", "balance tomorrow", "44"] {
        check(text, question, false);
    }
}

#[test]
fn accents_points_and_forms_of_letters_do_not_matter() {
    for (text, question) in [
        ("Arrêter, plaît-il", "plait ARRETER il"),
        ("ΤΈΛΟΣ", "τελος"),
        ("Schluß", "SCHLUSS"),
        ("İstanbul", "istanbul"),
        ("ＳＴＯＰ", "stop"),
        ("re\u{301}sume\u{301}", "résumé"),
        ("تَوَقُّف", "توقف"),
        ("مـــرحبا", "مرحبا"),
        ("می‌خواهم", "میخواهم"),
    ] {
        check(text, question, true);
        check(question, text, true);
    }
}

#[test]
fn scripts_with_blanks_are_split_at_them() {
    check("مرحبا بالعالم، كيف حالك؟", "كيف حال", true);
    check("مرحبا بالعالم", "عالم", false);
    check("क्या आपको सर्दी-ज़ुकाम है?", "सर्दी क्या", true);
    check("क्या आपको", "पको", false);
    check("की", "का", false);
    check("안녕하세요 세계", "안녕", true);
    check("안녕하세요 세계", "하세요", false);
}

#[test]
fn scripts_without_blanks_are_found_by_any_part() {
    for (text, parts, others) in [
        ("请问移动支付怎么用？", ["支付", "移动支付", "用"], ["付支", "动怎"]),
        ("ขอเด็กสองคนมาพบหมอ", ["เด็ก", "มาพบ", "หมอ"], ["กเด", "คนสอง"]),
        ("តើអ្នកសុខសប្បាយទេ", ["សុខ", "អ្នក", "ទេ"], ["ខទ", "ទេស"]),
        ("カタカナとひらがな", ["カナ", "ひらがな", "がな"], ["なひ", "かな"]),
        ("မင်္ဂလာပါ", ["မင်", "လာ", "ပါ"], ["လပါ", "ာမ"]),
    ] {
        for part in parts {
            check(text, part, true);
        }
        for other in others {
            check(text, other, false);
        }
    }
    check("Paracetamol 500毫克", "500 毫克 para", true);
}

#[test]
fn pictures_are_found_whatever_their_colour() {
    check("thanks👍🏽!", "👍", true);
    check("thanks 👍", "👍🏿 thanks", true);
    check("I ❤️ it", "❤", true);
    check("🇰🇪 votes", "🇰🇪", true);
    check("🇰🇪 votes", "🇪🇹", false);
    check("thanks", "👍", false);
}

#[test]
fn where_there_is_no_word_there_is_nothing_to_look_for() {
    for question in ["", "  ", "?!", "- /", "\u{200d}"] {
        assert!(Sought::of(question).is_empty(), "{question:?}");
    }
    assert!(!Sought::of("👍").is_empty());
}

#[test]
fn a_word_without_end_is_cut_in_text_and_question_alike() {
    let endless = "ab".repeat(5000);
    assert!(Words::of(&endless).iter().all(|word| word.chars().count() == CHARS_MAX));
    check(&endless, &endless, true);
    check(&endless, endless.get(..=CHARS_MAX).unwrap(), true);
}

proptest! {
    #[test]
    fn a_text_is_found_by_itself_and_its_words_say_nothing_to_a_database(text in "\\PC{0,40}") {
        let words = Words::of(&text);
        prop_assert!(words.have(&Sought::of(&text)));
        for word in words.iter() {
            prop_assert!(!word.is_empty());
            let is_plain = |character: char| character.is_alphanumeric() || !character.is_ascii();
            prop_assert!(word.chars().all(|character| is_plain(character) && !character.is_whitespace()), "{word:?}");
        }
    }

    #[test]
    fn of_chinese_any_part_is_found(text in "[一-龥]{1,20}", from in 0_usize..20, length in 1_usize..20) {
        let part: String = text.chars().skip(from).take(length).collect();
        prop_assert!(Words::of(&text).have(&Sought::of(&part)));
    }
}
