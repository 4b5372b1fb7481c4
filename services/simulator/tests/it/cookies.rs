//! Applications that keep their state in cookies.

use serde_json::json;

use crate::stage::{PHONE, Reply, Stage};

#[tokio::test]
async fn a_cookie_comes_back_within_its_session_and_in_no_other() {
    let stage = Stage::new(|posted| {
        let on = json!({"tropo": [{"on": {"event": "continue", "next": "/again"}}]});
        match (posted.body["session"].is_null(), posted.target.as_str()) {
            (false, _) => Reply::document(&on).cookie("rack.session=BAh7; path=/; HttpOnly"),
            (true, "/again") if posted.body["result"]["sequence"] == 1 => {
                Reply::document(&on).cookie("rack.session=other; path=/")
            }
            _ => Reply::hangup(),
        }
    })
    .await;
    for _ in 0..2 {
        let before = stage.posted().len();
        let session = stage.text(PHONE, "hi").await;
        stage.ended(&session).await;
        let posted = stage.posted();
        let cookies: Vec<_> = posted[before..].iter().map(|posted| posted.cookie.as_deref()).collect();
        assert_eq!(cookies, [None, Some("rack.session=BAh7"), Some("rack.session=other")]);
    }
}
