//! The menu on a node of its own that is in no network, talked to through channels.

use proto::messages::control::LocalRole;
use tokio::sync::mpsc;

use super::console::Interrupt;
use super::*;
use crate::node::{NodeConfig, NodeHandle};
use crate::settings::Style;
use crate::terminal::output::tests::Captured;

/// A node without a network, and what is needed to open a menu on it.
struct Scene {
    dir: tempfile::TempDir,
    node: NodeHandle,
    options: Options,
}

impl Scene {
    async fn begin() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data");
        let options = Options::told(&[("data_dir", data_dir.to_str().expect("UTF-8"))]);
        let config: NodeConfig = attach::node_config(&options, 0, None, false);
        let node = NodeHandle::start(config, Tasks::new()).await.expect("a node");
        Self { dir, node, options }
    }

    fn client(&self) -> ControlClient {
        ControlClient::new(&self.node.control_address(), Some(self.node.token())).expect("a client")
    }

    fn file(&self, name: &str, length: usize) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, vec![7; length]).expect("written");
        path.to_str().expect("text").to_owned()
    }

    /// Types these lines and then ends the input; returns everything shown.
    async fn play(&self, lines: &[&str], is_terminal: bool) -> String {
        let (lines_tx, lines_rx) = mpsc::channel(lines.len().max(1));
        for line in lines {
            lines_tx
                .send((*line).to_owned())
                .await
                .expect("room for every line");
        }
        drop(lines_tx);
        let (_interrupts, interrupts_rx) = mpsc::channel(1);
        self.open(lines_rx, interrupts_rx, is_terminal).await
    }

    async fn open(
        &self,
        lines: mpsc::Receiver<String>,
        interrupts: mpsc::Receiver<Interrupt>,
        is_terminal: bool,
    ) -> String {
        let shown = Captured::default();
        let out = Output::new(Style::default(), false, shown.clone(), std::io::sink());
        let console = Console::new(&out, lines, interrupts, is_terminal);
        let mut menu = Menu::new(console, &out, self.client(), true, &self.options);
        menu.talk().await.expect("the menu ends well");
        shown.text()
    }

    async fn end(self) {
        self.node.stop().await;
    }
}

#[tokio::test]
async fn the_end_of_the_input_closes_the_menu() {
    let scene = Scene::begin().await;
    let shown = scene.play(&[], false).await;
    assert!(shown.starts_with("Enjambre "), "{shown}");
    assert!(shown.ends_with("enjambre [offline]> \n"), "{shown}");
    scene.end().await;
}

#[tokio::test]
async fn a_file_added_offline_is_shared_and_waits() {
    let scene = Scene::begin().await;
    let path = scene.file("holiday.bin", 200_000);
    let shown = scene.play(&["2", &path, "", "2", "4", "0", "s"], false).await;
    assert!(
        shown.contains("name [holiday.bin]: \nreplicas [3]: 2\n"),
        "a transcript:\n{shown}"
    );
    assert!(
        shown.contains("sharing holiday.bin: 195.3 KiB in 4 fragments of 64.0 KiB"),
        "{shown}"
    );
    assert!(shown.contains("will be published when you connect"), "{shown}");
    assert!(shown.contains("pending"), "the local list:\n{shown}");
    assert!(!shown.contains("transfers"), "0 left before s:\n{shown}");
    let held = scene.client().local_list().await.expect("a list");
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].role, held[0].is_pending), (LocalRole::Published, true));
    scene.end().await;
}

#[tokio::test]
async fn wrong_input_never_ends_the_menu_and_says_what_is_possible() {
    let scene = Scene::begin().await;
    let path = scene.file("x", 10);
    let missing = format!("{path}.missing");
    let lines = [
        "99",
        "nonsense",
        "-1",
        "2",
        &missing,
        "2",
        "",
        "2",
        &path,
        "../up",
        "2",
        &path,
        "",
        "none",
        "1",
        "not an address",
        "6",
        "../x",
        "6",
        "x",
        "6",
        "",
        "3",
        "a//b",
        "3",
        "",
        "3",
        "x",
        "5",
        "7",
        "9",
        "?",
        "",
        "s",
    ];
    let shown = scene.play(&lines, false).await;
    for told in [
        "\"99\" is not an option; type a number from 0 to 9",
        &format!("cannot add {missing}: there is no such file"),
        "nothing added",
        "must not be '.' or '..'",
        "is not a number of replicas; choose 1 to 32",
        "type HOST:PORT",
        "nothing to look for",
        "cannot remove \"a//b\"",
        "connect it first",
        "left the network",
        "transfers  0 downloads, 0 uploads",
    ] {
        assert!(shown.contains(told), "{told:?} is not in:\n{shown}");
    }
    assert!(
        scene.client().local_list().await.expect("a list").is_empty(),
        "nothing was added"
    );
    scene.end().await;
}

#[tokio::test]
async fn a_network_that_cannot_be_entered_leaves_the_menu_open() {
    let scene = Scene::begin().await;
    // A port that was free a moment ago, so no program answers there.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").port()
    };
    let address = format!("tracker 127.0.0.1:{port}");
    let shown = scene.play(&["c", &address, "d", "q"], false).await;
    assert!(
        shown.contains(&format!("cannot connect to the tracker at 127.0.0.1:{port}")),
        "{shown}"
    );
    assert!(shown.contains("enjambre [connecting"), "{shown}");
    assert!(shown.contains("left the network"), "{shown}");
    scene.end().await;
}

#[tokio::test]
async fn a_person_is_asked_before_a_name_goes_away() {
    let scene = Scene::begin().await;
    let path = scene.file("x", 10);
    let shown = scene
        .play(&["a", &path, "", "", "r", "x", "n", "r", "x", "y", "q"], true)
        .await;
    assert!(
        shown.contains("remove x for everyone? [y/N] nothing removed"),
        "{shown}"
    );
    assert!(
        shown.contains("x was never published; its pending publication is cancelled"),
        "{shown}"
    );
    scene.end().await;
}

#[tokio::test]
async fn an_interrupt_takes_back_a_question_and_at_the_prompt_leaves() {
    let scene = Scene::begin().await;
    let (lines_tx, lines_rx) = mpsc::channel(4);
    let (interrupts_tx, interrupts_rx) = mpsc::channel(1);
    let script = async {
        lines_tx.send("2".to_owned()).await.expect("the menu listens");
        // Sent once the menu has taken the line and asks for a path.
        lines_tx.reserve_many(4).await.expect("the menu listens");
        interrupts_tx
            .send(Interrupt::Interrupt)
            .await
            .expect("the menu listens");
        interrupts_tx
            .send(Interrupt::Interrupt)
            .await
            .expect("the menu listens");
    };
    let (shown, ()) = tokio::join!(scene.open(lines_rx, interrupts_rx, true), script);
    assert_eq!(shown.matches("enjambre [offline]> ").count(), 2, "{shown}");
    assert!(shown.contains("file or directory to add: \n"), "{shown}");
    scene.end().await;
}

#[tokio::test]
async fn a_wish_to_terminate_leaves_from_anywhere() {
    let scene = Scene::begin().await;
    let (_lines, lines_rx) = mpsc::channel(1);
    let (interrupts_tx, interrupts_rx) = mpsc::channel(1);
    interrupts_tx.send(Interrupt::Terminate).await.expect("room");
    let shown = scene.open(lines_rx, interrupts_rx, true).await;
    assert_eq!(shown.matches("enjambre [").count(), 1, "{shown}");
    scene.end().await;
}
