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

    /// A person types these lines on a node that runs without the menu too.
    async fn play_attached(&self, lines: &[&str]) -> String {
        let (lines_tx, lines_rx) = mpsc::channel(lines.len());
        for line in lines {
            lines_tx.try_send((*line).to_owned()).expect("room");
        }
        drop(lines_tx);
        let (_interrupts, interrupts_rx) = mpsc::channel(1);
        self.open_on(false, lines_rx, interrupts_rx, true).await
    }

    async fn open(
        &self,
        lines: mpsc::Receiver<String>,
        interrupts: mpsc::Receiver<Interrupt>,
        is_terminal: bool,
    ) -> String {
        self.open_on(true, lines, interrupts, is_terminal).await
    }

    async fn open_on(
        &self,
        is_own: bool,
        lines: mpsc::Receiver<String>,
        interrupts: mpsc::Receiver<Interrupt>,
        is_terminal: bool,
    ) -> String {
        let shown = Captured::default();
        let out = Output::new(Style::default(), false, shown.clone(), std::io::sink());
        let console = Console::new(&out, lines, interrupts, is_terminal);
        let mut menu = Menu::new(console, self.client(), is_own, &self.options, &Tasks::new());
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
    let lines = ["2", &path, "", "", "2", "4", "10", "", "0", "s"];
    let shown = scene.play(&lines, false).await;
    assert!(
        shown.contains("fragment size [64.0 KiB]: \nname [holiday.bin]: \nreplicas [3]: 2\n"),
        "a transcript:\n{shown}"
    );
    assert!(
        shown.contains("sharing holiday.bin: 195.3 KiB in 4 fragments of 64.0 KiB"),
        "{shown}"
    );
    assert!(
        shown.contains("will be published when the node is connected"),
        "{shown}"
    );
    assert!(shown.contains("pending"), "my list:\n{shown}");
    assert!(
        shown.contains("  1  sharing holiday.bin"),
        "the transfers:\n{shown}"
    );
    assert!(!shown.contains("traffic"), "0 left before s:\n{shown}");
    let held = scene.client().local_list().await.expect("a list");
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].role, held[0].is_pending), (LocalRole::Published, true));
    scene.end().await;
}

#[tokio::test]
async fn a_chosen_fragment_size_is_shown_before_it_counts() {
    let scene = Scene::begin().await;
    let path = scene.file("x", 200_000);
    let lines = ["2", &path, "100KiB", "128KiB", "", "1", "q"];
    let shown = scene.play(&lines, false).await;
    for told in [
        "x: 195.3 KiB, 4 fragments of 64.0 KiB, the last of 3.3 KiB\nfragment size [64.0 KiB]: 100KiB\n",
        "type a power of two from 64.0 KiB to 16.0 MiB",
        "x: 195.3 KiB, 2 fragments of 128.0 KiB, the last of 67.3 KiB\nname [x]: ",
        "sharing x: 195.3 KiB in 2 fragments of 128.0 KiB",
    ] {
        assert!(shown.contains(told), "{told:?} is not in:\n{shown}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_wrong_answer_is_asked_for_again_and_the_rest_goes_on() {
    let scene = Scene::begin().await;
    let path = scene.file("x", 10);
    let missing = format!("{path}.missing");
    let lines = [
        "99",
        "nonsense",
        "-1", // no options
        "2",
        &missing,
        &path,
        "",
        "../up",
        "",
        "none",
        "0",
        "1", // added in spite of all
        "1",
        "not an address",
        "tracker 127.0.0.1:1", // asked again
        "10",
        "77",
        "", // no such transfer
        "3",
        "nobody",
        "", // not on the list
        "9",
        "6",
        "x",
        "5",
        "7",
        "",
        "s",
    ];
    let shown = scene.play(&lines, false).await;
    for told in [
        "\"99\" is not an option; type a number from 0 to 11",
        &format!("cannot add {missing}: there is no such file"),
        "must not be '.' or '..'",
        "none is not a number of replicas; choose 1 to 32",
        "0 is not a number of replicas",
        "sharing x: 10 B in 1 fragment",
        "type HOST:PORT",
        "cannot connect to the tracker at 127.0.0.1:1",
        "there is no transfer 77",
        "\"nobody\" is not on my list",
        "nothing removed from my list",
        "left the network",
        "connect it first",
        "transfers  0 downloads, 0 uploads",
    ] {
        assert!(shown.contains(told), "{told:?} is not in:\n{shown}");
    }
    let held = scene.client().local_list().await.expect("a list");
    assert_eq!(held.len(), 1, "one was added");
    scene.end().await;
}

#[tokio::test]
async fn nothing_is_added_when_the_user_declines() {
    let scene = Scene::begin().await;
    let path = scene.file("x", 10);
    let shown = scene.play(&["2", "", "2", &path, ""], false).await;
    assert_eq!(shown.matches("nothing added").count(), 2, "{shown}");
    assert!(scene.client().local_list().await.expect("a list").is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_file_taken_off_my_list_stays_on_the_disk() {
    let scene = Scene::begin().await;
    let path = scene.file("x", 10);
    let lines = ["2", &path, "", "", "", "3", "1", "y", "4", "q"];
    let shown = scene.play(&lines, true).await;
    assert!(shown.contains("   1  x  10 B\n"), "{shown}");
    assert!(shown.contains("removed x from my list"), "{shown}");
    assert!(shown.contains("my list is empty"), "{shown}");
    assert!(std::path::Path::new(&path).exists());
    assert!(scene.client().local_list().await.expect("a list").is_empty());
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
    let lines = ["a", &path, "", "", "", "x", "x", "n", "x", "x", "y", "q"];
    let shown = scene.play(&lines, true).await;
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
async fn an_interrupt_takes_back_a_question_and_only_a_second_one_leaves() {
    let scene = Scene::begin().await;
    let (lines_tx, lines_rx) = mpsc::channel(4);
    let (interrupts_tx, interrupts_rx) = mpsc::channel(1);
    let script = async {
        lines_tx.send("2".to_owned()).await.expect("the menu listens");
        // Sent once the menu has taken the line and asks for a path.
        lines_tx.reserve_many(4).await.expect("the menu listens");
        for _ in 0..3 {
            let interrupt = interrupts_tx.send(Interrupt::Interrupt);
            interrupt.await.expect("the menu listens");
        }
    };
    let (shown, ()) = tokio::join!(scene.open(lines_rx, interrupts_rx, true), script);
    assert_eq!(shown.matches("enjambre [offline]> ").count(), 3, "{shown}");
    assert!(shown.contains("file or directory to add: \n"), "{shown}");
    assert!(shown.contains("0 or Ctrl-D leaves the menu"), "{shown}");
    scene.end().await;
}

#[tokio::test]
async fn a_peer_that_runs_anyway_leaves_its_network_only_when_confirmed() {
    let scene = Scene::begin().await;
    let shown = scene.play_attached(&["9", "", "9", "y", "q"]).await;
    assert!(
        shown.contains("take it out of its network? [y/N] it stays in its network"),
        "{shown}"
    );
    assert!(
        shown.contains("take it out of its network? [y/N] left the network"),
        "{shown}"
    );
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

#[tokio::test]
async fn nobody_is_asked_about_a_directory_that_is_refused_as_a_whole() {
    let scene = Scene::begin().await;
    let own = scene.dir.path().join("data");
    let shown = scene
        .play(&["2", own.to_str().expect("text"), "", "q"], true)
        .await;
    assert!(shown.contains("a data directory of a node or tracker"), "{shown}");
    assert!(!shown.contains("leave these out?"), "{shown}");
    scene.end().await;
}

#[tokio::test]
async fn lines_for_a_pipe_are_whole() {
    let scene = Scene::begin().await;
    let path = scene.file(&format!("{} {}", "a".repeat(60), "b".repeat(60)), 10);
    let shown = scene.play(&["2", &path, "", "x", "", "4", "q"], false).await;
    let is_whole = |line: &str| line.starts_with("x ") && line.ends_with(&path);
    assert!(shown.lines().any(is_whole), "{shown}");
    scene.end().await;
}
