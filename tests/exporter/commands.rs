//! The commands that end by themselves.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use elements_sim::{
    Customer, DateForm, Day, Effect, NeverBought, Operation, Platform, Rule, Simulator, Subscription, Tenant, World,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Ended, Exporter, FLY, Folder, M365, Yaml, binary, world};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs a command beside the simulator, which lives on this runtime.
async fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    Ended::beside(folder.command(arguments)).await
}

#[tokio::test]
async fn check_says_how_much_is_polled() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_api("client_id", "00000000-0000-4000-8000-0123456789AB").rest(
        "customers:\n- id: 11111111-2222-4333-8444-555555555555\n- id: 99999999-2222-4333-8444-555555555555\n\
         products: [2048, Fly]\n",
    );
    let Ended { code, stdout, .. } = run(&Folder::new(&yaml), &["check"]).await;
    assert_eq!((code, stdout.as_str()), (Some(0), "ok: 2 customers, 2 products, 4 targets\n"));
    assert!(simulator.record().is_empty(), "no network");
}

#[test]
fn check_warns_of_what_is_legal_and_probably_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(mode)).unwrap();
    };
    write("client_secret", "s3cret\n", 0o644);
    write(
        "exporter.yaml",
        "api:\n  client_id: ${ID}\n  client_secret_file: client_secret\npoll:\n  interval: 30m\ncustomers:\n\
         - id: contoso\n  name: \"contoso \"\n  products: [2048, 20480, 7777]\ndiscovery:\n  enabled: true\n  \
         exclude: [fabrikam]\nproducts: all\n",
        0o644,
    );
    let check = || Ended::of(binary().arg("check").current_dir(folder.path()));
    let Ended { code, stdout, .. } = check();
    assert_eq!(code, Some(0), "{stdout}");
    let warnings: Vec<&str> = stdout.lines().filter_map(|line| line.strip_prefix("warning: exporter.yaml:")).collect();
    assert_eq!(
        warnings,
        [
            "2: api.client_id: holds `${…}`, and nothing expands variables in this file: write the value itself",
            "2: api.client_id: is no GUID, as the application (client) ids of AvePoint's portal are",
            "3: api.client_secret_file: every user may read this file (mode 0644): `chmod o-r` it",
            "5: poll.interval: the shipped alerts fit intervals of up to 15m: lengthen their durations with it, as \
             docs/runbooks.md says under \"Change thresholds\"",
            "7: customers[0].id: \"contoso\" is no GUID, as AvePoint's ids are: is it the right one?",
            "8: customers[0].name: \"contoso \" begins or ends with a blank, and so does the label",
            "9: customers[0].products[1]: 20480 is not in the catalogue; did you mean 2048 (Cloud Backup for Microsoft \
             365)?",
            "12: discovery.exclude[0]: \"fabrikam\" is no GUID, as AvePoint's ids are: is it the right one?",
        ]
    );

    write(
        "exporter.yaml",
        "api: {client_id: \" a\", client_secret: s3cret}\nproducts: all\ncustomers: []\ndiscovery: {enabled: true}\n",
        0o644,
    );
    let Ended { stdout, .. } = check();
    assert!(stdout.contains("exporter.yaml:1: api.client_secret: every user may read this file"), "{stdout}");
    assert!(
        stdout.contains("exporter.yaml:1: api.client_id: begins or ends with a blank, which is left out"),
        "{stdout}"
    );
    assert!(!stdout.contains("s3cret"), "{stdout}");
}

#[test]
fn check_warns_of_what_is_in_a_secret_and_cannot_be_meant_wherever_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "s3\u{200b}cret${OTHER}\n").unwrap();
    fs::set_permissions(folder.path().join("secret"), Permissions::from_mode(0o600)).unwrap();
    let check = |api: &str, variable: Option<&str>| {
        let rest = "customers: [{id: 11111111-2222-4333-8444-555555555555}]\nproducts: all\n";
        let path = folder.path().join("exporter.yaml");
        fs::write(&path, format!("api:\n  client_id: 11111111-2222-4333-8444-555555555555\n{api}{rest}")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let mut command = binary();
        command.arg("check").current_dir(folder.path());
        if let Some(value) = variable {
            command.env("AVEPOINT_CLIENT_SECRET", value);
        }
        let Ended { code, stdout, .. } = Ended::of(&mut command);
        assert!(code == Some(0) && !stdout.contains("s3"), "{stdout}");
        let warnings = stdout.lines().filter_map(|line| line.strip_prefix("warning: exporter.yaml:"));
        warnings.filter(|warning| !warning.contains("secret_file: every")).map(str::to_owned).collect::<Vec<_>>()
    };
    let unseen = "holds U+200B, which nobody sees and AvePoint is sent as well: remove it";
    let unexpanded = "holds `${…}`, and nothing expands variables in it: write the value itself";
    assert_eq!(
        check("  client_secret_file: secret\n", None),
        [3, 3]
            .into_iter()
            .zip([unexpanded, unseen])
            .map(|(line, what)| { format!("{line}: api.client_secret_file: the file {what}") })
            .collect::<Vec<_>>()
    );
    assert_eq!(check("  client_secret: \"s3\\u200Bcret\"\n", None), [format!("3: api.client_secret: {unseen}")]);
    let variable = " the variable AVEPOINT_CLIENT_SECRET";
    let found = check("", Some("${OTHER} s3\u{200b}cret"));
    assert_eq!(found, [format!("{variable} {unexpanded}"), format!("{variable} {unseen}")]);
    assert_eq!(check("", Some(" s3cret for us \n")), [""; 0], "white space around it is no part of it");
    let in_quotes = "is in quotes, which AvePoint is sent as well: remove them";
    assert_eq!(check("", Some("\"s3cret\"")), [format!("{variable} {in_quotes}")]);
    assert_eq!(check("  client_secret: \"'s3cret'\"\n", None), [format!("3: api.client_secret: {in_quotes}")]);
    let unfilled = "holds `{{`, as a template does that nobody filled in: write the value itself";
    assert_eq!(check("  client_secret: \"{{ s3cret }}\"\n", None), [format!("3: api.client_secret: {unfilled}")]);
}

#[test]
fn no_path_in_a_message_moves_the_cursor_of_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("\u{1b}[31m\n");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("state.json.lock"), "").unwrap();
    let yaml = "api: {client_id: \"1\", client_secret: s3cret}\ncustomers: [{id: a}]\nproducts: all\n\
                expected_seats_file: bill.csv\n";
    for (text, file, part) in [
        ("x: 1\n", "exporter.yaml", "exporter.yaml:1: \"x\" is an unknown key"),
        (yaml, "exporter.yaml", "bill.csv cannot be read"),
        (yaml, "missing.yaml", "missing.yaml: cannot be read"),
    ] {
        fs::write(odd.join("exporter.yaml"), text).unwrap();
        let Ended { stdout, stderr, .. } = Ended::of(binary().arg("--config.file").arg(odd.join(file)).arg("check"));
        let said = format!("{stdout}{stderr}");
        assert!(said.contains(r"/\u{1b}[31m\u{a}/") && said.contains(part), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[tokio::test]
async fn check_reports_everything_that_is_wrong() {
    let simulator = Simulator::start(world()).await.unwrap();
    let yaml = Yaml::new(&simulator).with_poll("stale_after", "1s").rest("customers: [{id: a/b}]\nproducts: [Flie]\n");
    let refusal = run(&Folder::new(&yaml), &["check"]).await.refusal();
    for part in ["exporter.yaml:", "poll.stale_after", "customers[0].id", "Fly"] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
}

#[tokio::test]
async fn a_command_line_that_is_misused_exits_with_2() {
    for arguments in
        [&["--no.such.flag"][..], &["nonsense"], &["--web.listen-address", "nowhere"], &["poll", "--output", "xml"]]
    {
        let Ended { code, stderr, .. } = Ended::of(binary().args(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
    }
    let reserved = Ended::of(binary().args(["--web.telemetry-path", "/-/ready"]));
    assert_eq!(reserved.code, Some(2), "{}", reserved.stderr);
    let version = Ended::of(binary().arg("--version"));
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{}", version.stdout);
}

#[test]
fn a_missing_configuration_is_reported() {
    let refusal = Ended::of(binary().args(["--config.file", "/nonexistent/exporter.yaml"])).refusal();
    assert!(refusal.contains("/nonexistent/exporter.yaml"), "{refusal}");
}

#[test]
fn products_are_listed_in_every_form() {
    let list = |output| Ended::of(binary().args(["products", "--output", output]));
    assert!(list("table").stdout.contains("Cloud Backup for Microsoft 365"));
    let products = json(&list("json").stdout);
    assert_eq!(products.as_array().unwrap().len(), 22);
    assert_eq!(products[9], json!({"product_type": 257, "product": "TyGraph"}));
    let csv = list("csv").stdout;
    assert_eq!(csv.lines().count(), 23);
    assert!(csv.starts_with("product_type,product\n1,DocAve Online\n"), "{csv}");
}

#[tokio::test]
async fn customers_are_listed_in_every_form() {
    let mut world = world();
    world.customers.insert(Customer::new("c-3", "=HYPERLINK(\"http://x\")\u{202e}"));
    let simulator = Simulator::start(world).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let customers = json(&run(&folder, &["customers", "--output", "json"]).await.stdout);
    assert_eq!(customers[0], json!({"id": "c-1", "organization": "Contoso"}));
    assert_eq!(customers.as_array().unwrap().len(), 3);
    let csv = run(&folder, &["customers", "--output", "csv"]).await.stdout;
    assert!(csv.contains("'=HYPERLINK"), "{csv}");
    let Ended { code, stdout, .. } = run(&folder, &["customers"]).await;
    assert_eq!(code, Some(0));
    assert!(stdout.contains("Fabrikam") && !stdout.contains('\u{202e}'), "{stdout}");
}

#[tokio::test]
async fn customers_are_written_as_entries_that_the_configuration_takes() {
    let hostile =
        ["no", "0x10", ": #", "🦀 \"Söhne\" & 'Co'", "two\r\nlines\u{2028}\u{85}", "- {id: c-1}", "Contoso", "ID-1"];
    let organizations = hostile.into_iter().map(str::to_owned).chain((9..=800).map(|n| format!("Org {}", n / 2)));
    let customers = (1..).zip(organizations).map(|(n, organization)| Customer::new(format!("id-{n}"), organization));
    let mut world = World::with(customers);
    world.customers.insert(Customer::new("c-1", "Contoso"));
    world.customers.insert(Customer::new("c-2", ""));
    let simulator = Simulator::start(world).await.unwrap();
    let rest = "customers: [{id: c-1, name: contoso, products: [Fly]}]\ndiscovery: {enabled: true}\nproducts: all\n";
    let yaml = Yaml::new(&simulator).rest(rest);
    let folder = Folder::new(&yaml);
    let entries = run(&folder, &["customers", "--output", "yaml"]).await.stdout;
    assert!(
        entries.starts_with("- id: c-1\n  name: contoso\n  products:\n  - Fly\n- id: c-2\n- id: id-1\n"),
        "{entries}"
    );
    assert!(entries.contains("- id: id-5\n  name: two  lines\n"), "{entries}");
    assert!(entries.contains("- id: id-8\n  name: ID-1 (id-8)\n"), "{entries}");
    assert!(entries.contains("- id: id-10\n  name: Org 5 (id-10)\n- id: id-100\n"), "{entries}");

    folder.configure(&yaml.rest(&format!("customers:\n{entries}discovery: {{enabled: true}}\nproducts: all\n")));
    let Ended { code, stdout, stderr } = run(&folder, &["check"]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("802 customers"), "{stdout}");
    assert_eq!(
        run(&folder, &["customers", "--output", "yaml"]).await.stdout,
        entries,
        "every name was read as written"
    );
}

#[tokio::test]
async fn subscriptions_are_listed_in_every_form_and_what_ends_first_is_on_top() {
    let mut world = world();
    world.dates = DateForm::MonthFirst;
    let fly =
        Subscription::new("Fly Migration").seats(25).expires(Day::of(2026, 3, 14)).contract_ends(Day::of(2027, 12, 31));
    let opus = Subscription::new("Opus").field("purchasedUnits", "3").expires(Day::of(2027, 2, 28));
    let broken = Subscription::new("Cense").field("expirationDate", "soon").field("purchasedUserSeats", json!(["x"]));
    world.customers.insert(Customer::new("c-1", "Contoso").only_subscriptions([fly, broken]));
    world.customers.insert(Customer::new("c-2", "=HYPERLINK()").only_subscriptions([opus]));
    let simulator = Simulator::start(world).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator).rest("customers: [{id: C-2, name: second}]\nproducts: all\n"));
    let Ended { code, stdout, stderr } = run(&folder, &["subscriptions", "--output=json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let rows = json(&stdout);
    let told: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["subscribed_service"], &row["ends"])).collect();
    let (opus, fly) = (json!("2027-02-28T12:00:00Z"), json!("2027-12-31T12:00:00Z"));
    assert_eq!(told, [(&json!("Opus"), &opus), (&json!("Fly Migration"), &fly), (&json!("Cense"), &Value::Null)]);
    assert_eq!((&rows[0]["customer"], &rows[0]["units"]), (&json!("second"), &json!(3)));
    assert_eq!((&rows[1]["customer"], &rows[1]["user_seats"]), (&json!("c-1"), &json!(25)));
    assert_eq!(rows[1]["expiration"], "2026-03-14T12:00:00Z");
    for field in ["expirationDate", "purchasedUserSeats"] {
        assert_eq!(stderr.matches(&format!("field={field} ")).count(), 1, "{stderr}");
    }
    let csv = run(&folder, &["subscriptions", "--output=csv"]).await.stdout;
    assert!(csv.starts_with("ends,customer,organization,") && csv.contains("'=HYPERLINK()"), "{csv}");
    assert!(csv.contains("\n2027-12-31 12:00:00,c-1,Contoso,"), "as spreadsheets read times: {csv}");
    let table = run(&folder, &["subscriptions"]).await.stdout;
    assert!(table.contains("SUBSCRIBED_SERVICE") && table.contains("Fly Migration"), "{table}");
    for text in [&stdout, &stderr, &csv, &table] {
        assert!(!text.contains("example.com"), "mail addresses are not even read: {text}");
    }
    simulator.inject(Rule::on(Operation::Subscriptions, Effect::status(StatusCode::FORBIDDEN)));
    let refusal = run(&folder, &["subscriptions"]).await.refusal();
    assert!(refusal.contains("elements.license.read.all"), "{refusal}");
}

#[tokio::test]
async fn tenants_are_listed_with_their_seats_and_one_that_cannot_be_hides_no_other() {
    let mut world = world();
    let tenant = Tenant::new("t-1", "contoso.onmicrosoft.com").assigned(30).available(-5);
    world.customers.insert(Customer::new("c-1", "Contoso").tenant(Platform::Microsoft365, tenant));
    let simulator = Simulator::start(world).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let Ended { code, stdout, stderr } = run(&folder, &["tenants", "--output=json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let expected = json!([{
        "customer": "contoso", "platform": "microsoft_365", "customer_tenant_id": "t-1",
        "customer_tenant": "contoso.onmicrosoft.com", "assigned_user_seats": 30, "available_user_seats": -5,
    }]);
    assert_eq!(json(&stdout), expected);
    simulator.inject(Rule::on(Operation::Tenants, Effect::status(StatusCode::FORBIDDEN)).customer("c-2"));
    let Ended { code, stdout, stderr } = run(&folder, &["tenants", "--output=csv"]).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("contoso,microsoft_365,t-1,contoso.onmicrosoft.com,30,-5\n"), "{stdout}");
    assert!(stderr.contains("customer=c-2 platform=microsoft_365"), "{stderr}");
    let rows = r#"{"tenantId": "t-1", "assignedUserSeat": 3}, {"tenantName": "nobody", "assignedUserSeat": 9}"#;
    let listing = format!(r#"{{"data": [{rows}], "metadata": {{"pageIndex": 1, "pageSize": 100, "totalCount": 2}}}}"#);
    simulator.inject(Rule::on(Operation::Tenants, Effect::json(listing)).customer("c-1"));
    let Ended { stdout, stderr, .. } = run(&folder, &["tenants", "--output=csv"]).await;
    assert!(stdout.contains("contoso,microsoft_365,t-1,,3,\n") && !stdout.contains("nobody"), "{stdout}");
    assert!(stderr.contains("customer=contoso platform=google rows=1"), "{stderr}");
}

#[tokio::test]
async fn where_nobody_is_seen_nothing_is_written_to_paste() {
    let simulator = Simulator::start(World::default()).await.unwrap();
    let refusal = run(&Folder::new(&Yaml::new(&simulator)), &["customers", "--output=yaml"]).await.refusal();
    assert!(refusal.contains("the credentials can see no customer"), "{refusal}");
}

#[test]
fn only_customers_are_written_as_yaml() {
    for (command, possible) in
        [("products", "[possible values: table, csv, json]"), ("poll", "table, csv, json, metrics]")]
    {
        let Ended { code, stderr, .. } = Ended::of(binary().args([command, "--output", "yaml"]));
        assert_eq!(code, Some(2));
        assert!(stderr.contains(possible), "{stderr}");
    }
}

#[tokio::test]
async fn poll_prints_every_target_and_fails_if_one_did() {
    let world = World { never_bought: NeverBought::NotFound, ..world() };
    let simulator = Simulator::start(world).await.unwrap();
    let folder = Folder::new(&Yaml::new(&simulator));
    let Ended { code, stdout, stderr } = run(&folder, &["poll", "--output", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr, "", "no progress bar where no terminal is");
    let rows = json(&stdout);
    assert_eq!(
        rows[0],
        json!({
            "customer": "contoso", "customer_id": "c-1", "name": "contoso", "product": "Cloud Backup for Microsoft 365",
            "product_type": M365, "seats": 25, "state": "ok", "last_success": rows[0]["last_success"],
            "previous": null, "last_change": null
        })
    );
    assert!(rows[0]["last_success"].as_str().unwrap().ends_with('Z'), "{}", rows[0]);
    assert_eq!(rows[3]["state"], "absent");
    assert_eq!(rows[3]["seats"], Value::Null);

    let fault = Effect::status(StatusCode::FORBIDDEN);
    simulator.inject(Rule::on(Operation::Overview, fault).customer("c-1").product(FLY));
    let Ended { code, stdout, .. } = run(&folder, &["poll"]).await;
    assert_eq!(code, Some(1));
    let row = stdout.lines().find(|line| line.contains("contoso") && line.contains("Fly")).unwrap();
    assert!(row.contains("forbidden") && row.contains("elements.license.read.all"), "{row}");
    let Ended { stdout: csv, stderr, .. } = run(&folder, &["poll", "--output", "csv"]).await;
    assert!(csv.contains("c-2,c-2,c-2,Cloud Backup for Microsoft 365,2048,300,ok,20"), "{csv}");
    assert!(stderr.contains("customer_id=c-1 product=Fly") && stderr.contains("elements.license.read.all"), "{stderr}");
    let exporter = Exporter::start(&folder).await;
    exporter.until("avepoint_poll_targets{state=\"pending\"}", 0.0).await;
    let page = exporter.ask(Method::GET, "/seats.csv").await.body;
    assert_eq!(csv.lines().next(), page.trim_start_matches('\u{feff}').lines().next(), "its columns are the page's");
    exporter.stop().await;
    let metrics = run(&folder, &["poll", "--output", "metrics"]).await.stdout;
    assert!(
        metrics.contains(
            "avepoint_purchased_user_seats{customer=\"c-2\",product=\"Cloud Backup for Microsoft 365\"} 300\n"
        ),
        "{metrics}"
    );
    assert!(metrics.contains("avepoint_poll_success{customer=\"contoso\",product=\"Fly\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn check_live_says_that_all_is_well() {
    let simulator = Simulator::start(world()).await.unwrap();
    let Ended { code, stdout, stderr } = run(&Folder::new(&Yaml::new(&simulator)), &["check", "--live"]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("2 customers answer"), "{stdout}");
    assert_eq!(simulator.count(Operation::Overview), 2, "one overview per customer");
}

/// Runs `check --live`, which must fail, and returns what it printed.
async fn live_failure(world: World, adapt: impl FnOnce(Yaml) -> Yaml) -> String {
    let simulator = Simulator::start(world).await.unwrap();
    let folder = Folder::new(&adapt(Yaml::new(&simulator)));
    let Ended { code, stdout, stderr } = run(&folder, &["check", "--live"]).await;
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    stdout + &stderr
}

#[tokio::test]
async fn check_live_says_what_is_wrong_in_words() {
    let wrong_secret = live_failure(world(), |yaml| yaml.with_api("client_secret", "wrong")).await;
    assert!(wrong_secret.contains("invalid_client") && wrong_secret.contains("has expired"), "{wrong_secret}");

    let no_licence = World { scopes: vec![], ..world() };
    let no_licence = live_failure(no_licence, |yaml| yaml).await;
    assert!(no_licence.contains("elements.license.read.all"), "{no_licence}");

    let no_listing = World { scopes: vec!["elements.license.read.all"], ..world() };
    let no_listing = live_failure(no_listing, |yaml| yaml.and("discovery: {enabled: true}\n")).await;
    assert!(no_listing.contains("elements.customers.read.all"), "{no_listing}");
    assert!(no_listing.contains("2 customers answer"), "the rest is checked all the same: {no_listing}");

    let simulator = Simulator::start(world()).await.unwrap();
    simulator.inject(Rule::on(Operation::Overview, Effect::status(StatusCode::FORBIDDEN)).times(1));
    let Ended { code, stdout, .. } = run(&Folder::new(&Yaml::new(&simulator)), &["check", "--live"]).await;
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("if other customers are answered, include this one in its customer scope"), "{stdout}");

    let unknown = live_failure(world(), |yaml| yaml.rest("customers: [{id: c-1}, {id: typo}]\nproducts: all\n")).await;
    assert!(unknown.contains("typo: customer not found"), "{unknown}");

    let clock = World { clock_skew: 600, ..world() };
    let clock = live_failure(clock, |yaml| yaml).await;
    assert!(clock.contains("clock is") && clock.contains("s behind the vendor's"), "{clock}");

    let gone = live_failure(world(), |yaml| yaml.with_api("token_url", "http://127.0.0.1:1/connect/token")).await;
    assert!(gone.contains("could not be reached at 127.0.0.1:1: "), "{gone}");
}

#[tokio::test]
async fn every_command_says_until_when_the_vendor_asked_to_wait_and_what_it_left() {
    for (operation, arguments, left) in [
        (Operation::Overview, &["poll"][..], "3 requests were not made, try again then"),
        (Operation::Overview, &["check", "--live"], "1 request was not made, try again then"),
        (Operation::Customers, &["customers"], "1 request was not made again, try again then"),
        (Operation::Subscriptions, &["subscriptions"], "1 request was not made again, try again then"),
        (Operation::Tenants, &["tenants"], "7 requests were not made, try again then"),
    ] {
        let simulator = Simulator::start(world()).await.unwrap();
        let folder = Folder::new(&Yaml::new(&simulator).with_api("max_in_flight", "1"));
        simulator.inject(Rule::on(operation, Effect::throttled(3600)));
        let Ended { code, stdout, stderr } = run(&folder, arguments).await;
        let said = format!("{stdout}{stderr}");
        assert_eq!((code, simulator.count(operation)), (Some(1), 1), "{arguments:?}: {said}");
        assert!(said.contains(&format!("Z: {left}")), "{arguments:?}: {said}");
        assert!(stderr.contains("until=") && !said.contains("the cycle ended"), "{arguments:?}: {said}");
    }
}
