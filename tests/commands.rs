//! The commands of the binary beside a running server, and without one.

use serde_json::json;
use testkit::{Process, eventually};

use crate::BINARY;

fn text(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_tokens_are_made_beside_the_server_and_without_it() {
    let mut process = Process::start(BINARY, &[]).await;
    let create = ["user", "create", "--email", "boss@example.com", "--operator"];
    let output = process.command(&create, "a long password\n").await;
    assert!(output.status.success() && text(&output).contains("operator"), "{}", text(&output));
    assert!(!process.command(&create, "a long password\n").await.status.success(), "the address is taken");
    let token = process.command(&["token", "create", "--user", "boss@example.com"], "").await;
    assert!(token.status.success(), "{}", text(&token));
    let token = String::from_utf8_lossy(&token.stdout).trim().to_string();
    let boss = process.client();
    let request = boss.request(reqwest::Method::GET, "/api/sessions").bearer_auth(&token);
    boss.try_send(request).await.unwrap().expect(200);
    let request = boss.request(reqwest::Method::GET, "/api/orders").bearer_auth("nonsense");
    boss.try_send(request).await.unwrap().expect(401);
    assert!(process.terminate().await.success());

    let output =
        process.command(&["user", "create", "--email", "late@example.com"], "a long password\n").await;
    assert!(output.status.success(), "{}", text(&output));
    process.resume().await;
    process.client().sign_in("late@example.com").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_data_is_refused_with_a_sentence() {
    let process = Process::start(BINARY, &[]).await;
    let output = process.command(&["serve", "--port", "0"], "").await;
    assert!(!output.status.success());
    assert!(text(&output).contains("another marquee runs on"), "{}", text(&output));
    let output = process.command(&["serve", "orders"], "").await;
    assert!(text(&output).contains("set NATS_URL"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_it_sells_is_whole() {
    let process = Process::start(BINARY, &[]).await;
    let mut seller = process.client();
    seller.sign_up("seller@example.com").await;
    let ticket = seller.list_ticket("Metropolis", "20", 100_000).await;
    let busy = {
        let (seller, ticket) = (seller.clone(), ticket.clone());
        tokio::spawn(async move {
            loop {
                let order =
                    seller.post("/api/orders", json!({"ticketId": ticket})).await.expect(201).text_of("id");
                seller
                    .post("/api/payments", json!({"orderId": order, "token": "tok_visa"}))
                    .await
                    .expect(201);
            }
        })
    };
    let visit = json!({"key": "visits", "value": 3});
    seller.post("/api/increment", visit).await.expect(200);
    let backup = process.data().join("backup.tar");
    testkit::eventually("some orders", async || {
        (seller.get("/api/orders").await.json.as_array()?.len() > 10).then_some(())
    })
    .await;
    let output = process.command(&["backup", backup.to_str().unwrap()], "").await;
    busy.abort();
    assert!(output.status.success(), "{}", text(&output));
    let again = process.command(&["backup", backup.to_str().unwrap()], "").await;
    assert!(!again.status.success(), "an older backup is not written over");
    assert!(text(&again).contains("backup.tar exists already: choose another name"), "{}", text(&again));
    let nowhere = process.command(&["backup", "/nowhere/backup.tar"], "").await;
    assert!(text(&nowhere).contains("/nowhere/backup.tar: No such file"), "{}", text(&nowhere));

    let restored = restored(&backup).await;
    let seller = seller.at(restored.base().to_string());
    assert!(
        seller.get("/api/orders").await.expect(200).json.as_array().unwrap().len() > 10,
        "sessions are restored too"
    );
    assert_eq!(seller.get("/api/counters/visits").await.expect(200).json["value"], 3);

    // As one from before there were counters and videos: they begin with nothing.
    let folder = tempfile::tempdir().unwrap();
    let run = |script: &str| {
        let mut command = std::process::Command::new("sh");
        command.args(["-ec", script]).arg(folder.path()).arg(&backup);
        assert!(command.status().unwrap().success());
    };
    run("cd \"$0\" && tar -xf \"$1\" && rm counters.db storage.db streaming.db");
    let contents = folder.path().join("contents.json");
    let mut said: serde_json::Value = serde_json::from_slice(&std::fs::read(&contents).unwrap()).unwrap();
    let files = said["files"].as_array_mut().unwrap();
    files.retain(|name| folder.path().join(name.as_str().unwrap()).exists());
    let files: Vec<_> = files.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    std::fs::write(&contents, said.to_string()).unwrap();
    run(&format!("cd \"$0\" && tar -cf older.tar {} contents.json", files.join(" ")));
    let restored = self::restored(&folder.path().join("older.tar")).await;
    let seller = seller.at(restored.base().to_string());
    seller.get("/api/counters/visits").await.expect(404);

    // Cut off after an entry, which is where a tar file may end.
    run(&format!("cd \"$0\" && tar -cf cut.tar {}", files.join(" ")));
    let empty = tempfile::tempdir().unwrap();
    let data = empty.path().join("data");
    let cut = std::process::Command::new(BINARY)
        .arg("--data")
        .arg(&data)
        .arg("restore")
        .arg(folder.path().join("cut.tar"))
        .output()
        .unwrap();
    assert!(!cut.status.success() && text(&cut).contains("not a whole backup"), "{}", text(&cut));
    let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["marquee.lock"], "nothing is put in place");
}

/// An installation that was restored from `backup`, and is whole.
pub async fn restored(backup: &std::path::Path) -> Process {
    let mut restored = Process::start(BINARY, &[]).await;
    restored.terminate().await;
    let restore = ["restore", backup.to_str().unwrap()];
    let refused = restored.command(&restore, "").await;
    assert!(text(&refused).contains("holds an installation already"), "{}", text(&refused));
    for file in std::fs::read_dir(restored.data()).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }
    let output = restored.command(&restore, "").await;
    assert!(output.status.success(), "{}", text(&output));
    restored.resume().await;
    restored.verify().await;
    restored
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_house_says_how_it_is() {
    let process = Process::start(BINARY, &["--demo"]).await;
    let anyone = process.client();
    for path in ["/api/health", "/health", "/livez", "/readyz"] {
        anyone.get(path).await.expect(200);
    }
    assert_eq!(anyone.get("/api/tickets").await.json.as_array().unwrap().len(), 8, "the demo is there");
    let metrics = anyone.get("/metrics").await.expect(200).text;
    for name in ["http_requests_total", "outbox_waiting", "dead_letters", "db_group_size"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let output = process.command(&["migrate"], "").await;
    assert!(text(&output).contains("up to date"), "{}", text(&output));
    let output = process.command(&["events", "list"], "").await;
    assert_eq!(text(&output).trim(), "no dead letters");
    assert!(process.command(&["events", "retry"], "").await.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_has_a_seller_who_sold_and_a_buyer_who_is_admitted() {
    let process = Process::start(BINARY, &["--demo"]).await;
    let (mut seller, mut buyer) = (process.client(), process.client());
    seller.sign_in_with("seller@marquee.example", "marquee-demo").await;
    buyer.sign_in_with("buyer@marquee.example", "marquee-demo").await;
    let sold = async || {
        let sales = seller.get("/api/sales").await.expect(200).json;
        let paid = sales.as_array().unwrap().iter().filter(|sale| sale["status"] == "complete").count();
        (paid == 4).then_some(())
    };
    eventually("four orders are paid", sold).await;
    let orders = buyer.get("/api/orders").await.expect(200).json;
    let admissions =
        orders.as_array().unwrap().iter().map(|order| order["admissions"].as_array().unwrap().len());
    assert_eq!(admissions.sum::<usize>(), 10);
    process.verify().await;
}

#[test]
fn the_first_user_makes_an_installation_which_is_said_once() {
    let home = tempfile::tempdir().unwrap();
    for (email, is_new) in [("boss@example.com", true), ("ann@example.com", false)] {
        let password = home.path().join("password");
        std::fs::write(&password, "a long password\n").unwrap();
        let output = std::process::Command::new(BINARY)
            .args(["user", "create", "--email", email])
            .env("DATA_DIR", "./nodata")
            .current_dir(home.path())
            .stdin(std::fs::File::open(&password).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(told.contains("made a new installation in ./nodata"), is_new, "{told}");
    }
}

#[test]
fn a_command_where_nothing_is_says_so_and_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    for command in
        [&["backup", "friday.tar"][..], &["events", "list"], &["token", "create", "--user", "a@b.c"]]
    {
        let output = std::process::Command::new(BINARY)
            .args(command)
            .env("DATA_DIR", &data)
            .current_dir(home.path())
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(text(&output).contains("there is no installation in"), "{}", text(&output));
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
