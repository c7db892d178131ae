use super::*;

fn rendered() -> String {
    let web = Web::new(web::Config { jwt_key: vec![7; 32], ..web::Config::default() });
    let reference = reference().unwrap();
    let page = Page::new(&web, None, "API", "/docs");
    ReferencePage { page, reference: &reference, base: "https://tickets.example".to_owned() }
        .render()
        .unwrap()
}

#[test]
fn every_operation_is_on_the_page_with_a_line_to_copy() {
    let text = rendered();
    let paths = openapi::value().unwrap()["paths"].as_object().unwrap();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert_eq!(text.matches(&format!("id=\"{id}\"")).count(), 1, "{method} {path}");
            assert!(text.contains(&format!("href=\"#{id}\"")), "{method} {path} is not in the contents");
            assert!(text.contains(&format!("curl https://tickets.example{path}")), "{method} {path}");
        }
    }
    assert!(text.find("id=\"signUp\"") < text.find("id=\"changeAccount\""), "in the order of the routes");
    assert!(!text.contains("**") && !text.contains("$ref"), "nothing is shown raw");
}

#[test]
fn every_link_leads_somewhere() {
    let text = rendered();
    for link in text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(text.contains(&format!("id=\"{link}\"")), "#{link}");
    }
    for (status, name) in [("401", "NotAuthorized"), ("503", "Busy")] {
        assert!(text.contains(&format!(">{status}</span> <a href=\"#{name}\"")), "{status}");
    }
}

#[test]
fn says_who_may_call_and_what_is_wrong() {
    let text = rendered();
    let of = |id: &str| {
        let start = text.find(&format!("aria-labelledby=\"{id}\"")).unwrap();
        text[start..].split("</article>").next().unwrap().to_owned()
    };
    let create = of("createTicket");
    assert!(create.contains("Whoever is signed in") && create.contains("Idempotency-Key"), "{create}");
    assert!(create.contains("Title is required") && !create.contains("Cannot edit"), "{create}");
    assert!(
        create.contains("text, 1 to 200 characters") && create.contains("Authorization: Bearer"),
        "{create}"
    );
    assert!(
        create.contains("Title is required <span class=\"quiet\">and"),
        "its own sentences come first: {create}"
    );
    assert!(of("changeUser").contains("An operator"));
    assert!(of("signUp").contains("Anyone") && !of("signUp").contains("Authorization"));
}

#[test]
fn the_lines_to_copy_name_this_installation() {
    let config = |public_url: Option<&str>, secure_cookies| web::Config {
        jwt_key: vec![7; 32],
        public_url: public_url.map(str::to_owned),
        secure_cookies,
        ..web::Config::default()
    };
    let with = |host: &str, config| {
        base(&Web::new(config), &HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]))
    };
    assert_eq!(with("localhost:3333", config(None, false)), "http://localhost:3333");
    assert_eq!(with("tickets.example", config(None, true)), "https://tickets.example");
    assert_eq!(with("x", config(Some("https://a.example/"), false)), "https://a.example");
    assert_eq!(with("x; rm -rf", config(None, false)), "http://localhost:3333", "a host is nothing else");
}
