//! The pages: complete without a script, safe with whatever people write, and readable for everybody.

pub(crate) mod markup;
mod scripted;

use protocol::topology::QueueName;
use reqwest::{Method, StatusCode, header};

use crate::stage::{DEADLINE, OPERATOR, PERSON, READER, Stage, config, conversation};

/// Every page that stands in the navigation, and those behind them.
const PAGES: [&str; 13] = [
    "/",
    "/messages",
    "/messages?q=nothing&state=sent&since=1h&person=15555550177&session=a&application=echo&until=2h",
    "/tester",
    "/tester?backend=b&from=%2B15555550177",
    "/conversation?backend=b&person=%2B15555550177",
    "/live",
    "/live?backend=b&kind=message.sent",
    "/backends",
    "/backends/b/opt-outs",
    "/dead-letters",
    "/configuration",
    "/acts",
];

/// What somebody writes who means no good.
const HOSTILE: &str = "<script>alert(1)</script>\" ' & \u{202e}<img src=x onerror=alert(2)>";

async fn page(stage: &Stage, who: &str, path: &str) -> (StatusCode, String) {
    let response = stage.ask(who, Method::GET, path).header(header::ACCEPT, "text/html").send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

async fn shown(stage: &Stage, who: &str, path: &str) -> String {
    let (status, page) = page(stage, who, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {page}");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_whole_with_and_without_anything_to_show() {
    let stage = Stage::set().await;
    for path in PAGES {
        markup::check(path, &shown(&stage, OPERATOR, path).await);
    }
    stage.keep(&conversation(1, PERSON, HOSTILE).entries).await;
    for path in PAGES {
        markup::check(path, &shown(&stage, OPERATOR, path).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_navigation_leads_to_pages_that_say_where_one_is() {
    let stage = Stage::set().await;
    let first = shown(&stage, OPERATOR, "/").await;
    let places = markup::navigation(&first);
    assert_eq!(places.len(), 10, "{places:?}");
    for place in places {
        let page = shown(&stage, OPERATOR, &place).await;
        markup::check(&place, &page);
        let here = markup::link(&page, "aria-current=\"page\"");
        assert_eq!(here.as_deref(), Some(place.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_it_is_said_what_to_do_next() {
    let stage = Stage::set().await;
    for (path, told, next) in [
        ("/messages", "No text or message yet.", "href=\"/tester\""),
        ("/messages?q=nobody", "Nothing fits what you look for.", "href=\"/messages\""),
        ("/conversation?backend=b&person=%2B15555550177", "Nothing went back or forth yet.", "is shown here"),
        ("/live", "Nothing happened lately.", "href=\"/tester\""),
        ("/backends/b/opt-outs", "Nobody opted out.", "STOP"),
    ] {
        let page = shown(&stage, OPERATOR, path).await;
        assert!(page.contains(told) && page.contains(next), "{path}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_is_text_and_never_markup() {
    let stage = Stage::set().await;
    let hostile = conversation(1, PERSON, HOSTILE);
    stage.keep(&hostile.entries).await;
    let asked = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in
        ["/messages", "/conversation?backend=b&person=%2B15555550177", "/live", "/tester?backend=b&from=15555550177"]
    {
        let page = shown(&stage, OPERATOR, path).await;
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; ' &amp;"), "{path}: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}: {page}");
        // What turns the direction of writing ends with the words.
        assert!(page.contains("<bdi class=\"words\">"), "{path}: {page}");
    }
    for path in ["/messages?q=", "/messages?state=", "/messages?backend=", "/live?kind=", "/tester?from=", "/nothing?"]
    {
        let (_, page) = page(&stage, OPERATOR, &format!("{path}{asked}")).await;
        assert!(!page.contains("<script>"), "{path}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_people_sees_none() {
    let stage = Stage::set().await;
    stage.keep(&conversation(1, PERSON, "hello world").entries).await;
    for path in ["/messages", "/live", "/", "/backends"] {
        let page = shown(&stage, READER, path).await;
        assert!(!page.contains(PERSON) && !page.contains("hello world"), "{path}: {page}");
    }
    let page = shown(&stage, READER, "/messages").await;
    assert!(page.contains("•••77") && page.contains("not shown"), "{page}");
    let (status, page) = self::page(&stage, READER, "/tester").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    markup::check("/tester", &page);
    assert!(page.contains("the scope &quot;send&quot; is needed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_to_its_end_by_links() {
    let stage = Stage::set().await;
    for number in 1..=60 {
        stage.keep(&conversation(number, PERSON, "hello").entries).await;
    }
    let (mut path, mut rows, mut pages) = ("/messages?direction=in&limit=25".to_owned(), 0, 0);
    loop {
        let page = shown(&stage, OPERATOR, &path).await;
        rows += page.matches("<tr id=\"m-").count();
        pages += 1;
        let Some(next) = markup::link(&page, "rel=\"next\"") else { break };
        assert!(next.contains("direction=in"), "{next}");
        path = next;
    }
    assert_eq!((rows, pages), (60, 3));
    let page = shown(&stage, OPERATOR, &path).await;
    assert!(page.contains(">Newest</a>") && !page.contains("data-pulse"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_wrong_is_told_beside_the_form() {
    let stage = Stage::set().await;
    let (status, page) = page(&stage, OPERATOR, "/messages?since=yesterday&q=hello").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    markup::check("/messages", &page);
    assert!(page.contains("since: must be a time") && page.contains("value=\"hello\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_list_goes_on_after_a_number() {
    let stage = Stage::set().await;
    stage.keep(&conversation(1, PERSON, "the first").entries).await;
    let page = shown(&stage, OPERATOR, "/live").await;
    let number = markup::attribute(&page, "data-number").unwrap();
    stage.keep(&conversation(2, PERSON, "the second").entries).await;
    let page = shown(&stage, OPERATOR, &format!("/live?after={number}")).await;
    assert!(page.contains("the second") && !page.contains("the first"), "{page}");
    let page = shown(&stage, OPERATOR, &format!("/live?after={number}&kind=message.sent")).await;
    assert!(page.contains("<tr id=\"e-") && !page.contains("the second"), "{page}");
    let last = markup::attribute(&page, "data-number");
    let page = shown(&stage, OPERATOR, "/live?after=999999").await;
    assert_eq!(markup::attribute(&page, "data-number"), last, "of another journal: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tester_sends_each_line_and_leads_back_to_its_form() {
    let stage = Stage::set().await;
    let form = "backend=b&from=%2B1+555+555+0177&way=bus&lines=yes&text=one%0D%0A%0D%0Atwo%0D%0Athree";
    let send = async |form: &str| {
        let request = stage.ask(OPERATOR, Method::POST, "/tester").header(header::ACCEPT, "text/html");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned());
        request.send().await.unwrap()
    };
    let answer = send(form).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let back = answer.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let page = shown(&stage, OPERATOR, &back).await;
    assert!(page.contains("3 texts are on their way") && page.contains("checked"), "{page}");
    let waiting = async {
        let mut count = 0;
        for queue in QueueName::texts() {
            count += stage.depth(queue).await;
        }
        count
    };
    assert_eq!(waiting.await, 3);
    let answer = send("backend=No+Such+Name&from=15555550177&way=bus&text=hello+there").await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.unwrap();
    markup::check("/tester", &page);
    assert!(page.contains("hello there") && page.contains("role=\"alert\""), "what was written is kept: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_of_what_is_new() {
    let stage = Stage::set().await;
    let mut pulse = stage.ask(READER, Method::GET, "/pulse?backend=b").send().await.unwrap();
    let mut other = stage.ask(READER, Method::GET, "/pulse?backend=other").send().await.unwrap();
    let told = async |stream: &mut reqwest::Response, count: usize| {
        let mut read = String::new();
        while read.matches("event: changed").count() < count {
            read.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
        read
    };
    // The first word is that they follow now.
    for stream in [&mut pulse, &mut other] {
        tokio::time::timeout(DEADLINE, told(stream, 1)).await.unwrap();
    }
    stage.keep(&conversation(1, PERSON, "hello").entries).await;
    let read = tokio::time::timeout(DEADLINE, told(&mut pulse, 1)).await.unwrap();
    assert!(!read.contains("hello") && !read.contains(PERSON), "{read}");
    stage.stop();
    let rest = tokio::time::timeout(DEADLINE, other.text()).await.unwrap().unwrap();
    assert!(!rest.contains("changed"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_about_one_conversation_is_not_told_of_others() {
    let stage = Stage::set().await;
    let talk = conversation(1, PERSON, "hello");
    stage.keep(&talk.entries).await;
    let page = shown(&stage, OPERATOR, &format!("/messages/{}", talk.reply)).await;
    let pulse = markup::attribute(&page, "data-pulse").unwrap();
    for id in [talk.text.to_string().as_str(), &talk.reply.to_string(), "session-a-1", "session-b-1"] {
        assert!(pulse.contains(id), "{pulse}");
    }
    let mut stream = stage.ask(READER, Method::GET, &pulse).send().await.unwrap();
    let mut all = stage.ask(READER, Method::GET, "/pulse").send().await.unwrap();
    let told = async |stream: &mut reqwest::Response| {
        let mut read = String::new();
        while !read.contains("event: changed") {
            read.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    // The first word is that they follow now.
    for stream in [&mut stream, &mut all] {
        tokio::time::timeout(DEADLINE, told(stream)).await.unwrap();
    }
    stage.keep(&conversation(2, PERSON, "hello").entries).await;
    tokio::time::timeout(DEADLINE, told(&mut all)).await.unwrap();
    stage.stop();
    let rest = tokio::time::timeout(DEADLINE, stream.text()).await.unwrap().unwrap();
    assert!(!rest.contains("changed"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tester_works_while_the_database_is_away() {
    let stage = Stage::without_database(config()).await;
    let page = shown(&stage, OPERATOR, "/tester?backend=b&from=%2B15555550177").await;
    markup::check("/tester", &page);
    assert!(page.contains("What comes back cannot be shown") && page.contains("<textarea"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_problems_as_pages_and_programs_as_documents() {
    let stage = Stage::set().await;
    let (status, found) = page(&stage, OPERATOR, "/nowhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    markup::check("/nowhere", &found);
    assert!(found.contains("href=\"/\""), "{found}");
    let (status, problem) = stage.get(OPERATOR, "/nowhere").await;
    assert_eq!((status, problem["status"].as_u64()), (StatusCode::NOT_FOUND, Some(404)), "{problem}");
    let (status, problem) = page(&stage, OPERATOR, "/v1/messages/nowhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem.starts_with('{'), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_look_like_is_kept_for_as_long_as_it_is_the_same() {
    let stage = Stage::set().await;
    let page = shown(&stage, OPERATOR, "/").await;
    let style = markup::link(&page, "rel=\"stylesheet\"").unwrap();
    let kept = async |path: &str| {
        let answer = stage.ask(OPERATOR, Method::GET, path).send().await.unwrap();
        let kept = answer.headers().get(header::CACHE_CONTROL).map(|kept| kept.to_str().unwrap().to_owned());
        (answer.status(), kept.unwrap_or_default())
    };
    let (status, forever) = kept(&style).await;
    assert_eq!(status, StatusCode::OK);
    assert!(forever.contains("immutable"), "{forever}");
    let (status, not) = kept("/assets/other/console.css").await;
    assert_eq!((status, not.as_str()), (StatusCode::OK, "no-cache"));
    assert_eq!(kept("/assets/other/passwords.txt").await.0, StatusCode::NOT_FOUND);
    for script in markup::scripts(&page) {
        assert_eq!(kept(&script).await.0, StatusCode::OK, "{script}");
    }
}
