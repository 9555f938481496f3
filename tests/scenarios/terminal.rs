//! The menu at a terminal, in both languages: every option, with wrong input in between, as a person would
//! type it.

use std::path::Path;

use anyhow::{Context as _, Result};
use harness::{Cluster, Terminal, content, eventually, keys};
use serde_json::Value;

use crate::{PATIENCE, assert_same, publish};

/// Rows and columns of the terminal.
const SCREEN: (u16, u16) = (24, 80);

/// A person at a terminal who speaks a language.
struct Person {
    terminal: Terminal,
    is_spanish: bool,
    prompt: String,
}

impl Person {
    /// Opens the menu on a data directory of its own.
    fn sits_down(cluster: &Cluster, data_dir: &Path, is_spanish: bool, flags: &[&str]) -> Result<Self> {
        let data_dir = data_dir.to_str().context("a text path")?;
        let arguments = ["--data-dir", data_dir].into_iter().chain(flags.iter().copied());
        let locale = if is_spanish { "es_ES.UTF-8" } else { "C.UTF-8" };
        let program = harness::binaries::path("peer");
        let terminal = Terminal::start(&program, arguments, cluster.directory(), SCREEN, locale)?;
        Ok(Self {
            terminal,
            is_spanish,
            prompt: String::new(),
        })
    }

    /// Returns the text in the person's language.
    fn in_words<'a>(&self, english: &'a str, spanish: &'a str) -> &'a str {
        if self.is_spanish { spanish } else { english }
    }

    /// Reads on to a text.
    #[track_caller]
    fn reads(&mut self, english: &str, spanish: &str) -> String {
        let text = self.in_words(english, spanish).to_owned();
        let read = self.terminal.expect(&text);
        read.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Is asked something.
    #[track_caller]
    fn is_asked(&mut self, english: &str, spanish: &str) {
        let question = format!("\n{}", self.in_words(english, spanish));
        self.reads(&question, &question);
    }

    /// Is back at the menu, which stands so from now on.
    #[track_caller]
    fn is_back(&mut self, english: &str, spanish: &str) {
        self.prompt = format!("\nenjambre [{}]> ", self.in_words(english, spanish));
        self.sees_the_prompt();
    }

    #[track_caller]
    fn sees_the_prompt(&mut self) -> String {
        let prompt = self.prompt.clone();
        self.reads(&prompt, &prompt)
    }

    #[track_caller]
    fn types(&self, line: &str) {
        self.terminal.line(line).expect("somebody reads");
    }

    #[track_caller]
    fn presses(&self, keys: &str) {
        self.terminal.keys(keys).expect("somebody reads");
    }

    /// Types a wrong answer, sees the complaint, and is asked the same again.
    #[track_caller]
    fn is_corrected(&mut self, line: &str, complaint: (&str, &str), question: (&str, &str)) {
        self.types(line);
        self.reads(complaint.0, complaint.1);
        self.is_asked(question.0, question.1);
    }

    /// Types a wrong line, sees the complaint, and is back at the menu.
    #[track_caller]
    fn errs(&mut self, line: &str, english: &str, spanish: &str) {
        self.types(line);
        self.reads(english, spanish);
        self.sees_the_prompt();
    }
}

fn every_option(is_spanish: bool) -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "shared", 700_000, 2)?;
    content::write(&cluster.path("holiday.bin"), 200_000, 3)?;
    std::fs::create_dir_all(cluster.path("photos/2024"))?;
    content::write(&cluster.path("photos/2024/a.jpg"), 1000, 4)?;
    let mut person = Person::sits_down(&cluster, &cluster.path("newcomer"), is_spanish, &[])?;
    person.reads("1 c  connect to a network", "1 c  conectar con una red");
    person.is_back("offline", "sin conexión");

    // Nonsense, and the same again with the arrow up.
    person.errs("99", "\"99\" is not an option", "\"99\" no es una opción");
    person.presses(keys::UP);
    person.errs("", "\"99\" is not an option", "\"99\" no es una opción");
    person.errs("ñandú", "is not an option", "no es una opción");

    connecting(&mut person, &cluster);
    adding(&mut person);
    looking(&mut person);
    fetching(&mut person, &cluster, &original)?;
    removing(&mut person);
    forgetting(&mut person);

    // Ctrl-C at the prompt says how to leave.
    person.presses(keys::CTRL_C);
    person.reads("0 or Ctrl-D leaves the menu", "con 0 o Ctrl-D se sale del menú");
    person.sees_the_prompt();

    // Questions are taken back with Ctrl-C and Ctrl-D.
    for key in [keys::CTRL_C, keys::CTRL_D] {
        person.types("1");
        person.is_asked("webserver HOST:PORT", "webserver HOST:PUERTO");
        person.reads("]: ", "]: ");
        person.presses(key);
        person.sees_the_prompt();
    }

    // A window that is made narrow.
    person.terminal.resize(24, 40)?;
    person.prompt = format!("\nenjambre [{}]> ", person.in_words("connected", "conectado"));
    person.errs("98", "is not an option", "no es una opción");
    person.types("?");
    let shown = person.sees_the_prompt();
    let widest = shown.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(40), "too wide:\n{shown}");
    person.terminal.resize(24, 80)?;

    person.types("9");
    person.reads("left the network", "fuera de la red");
    person.is_back("offline", "sin conexión");
    person.types("0");
    person.reads("stopping", "parando");
    let (code, rest) = person.terminal.end()?;
    assert_eq!(code, 0, "{rest}");
    Ok(())
}

fn connecting(person: &mut Person, cluster: &Cluster) {
    let ask = ("webserver HOST:PORT", "webserver HOST:PUERTO");
    person.types("1");
    person.is_asked(ask.0, ask.1);
    let complaint = ("\"nowhere\" is not an address", "\"nowhere\" no es una dirección");
    person.is_corrected("nowhere", complaint, ask);
    person.types(&cluster.typed_entry());
    person.reads("connected to the tracker at", "conectado con el tracker en");
    let tracker = cluster.tracker.address();
    person.is_back(&format!("connected {tracker}"), &format!("conectado {tracker}"));
}

fn adding(person: &mut Person) {
    let ask_path = ("file or directory to add: ", "archivo o directorio que añadir: ");
    let ask_size = (
        "fragment size [64.0 KiB]: ",
        "tamaño de los fragmentos [64.0 KiB]: ",
    );
    let ask_name = ("name [holiday.bin]: ", "nombre [holiday.bin]: ");
    let ask_replicas = ("replicas [3]: ", "réplicas [3]: ");
    person.types("2");
    person.is_asked(ask_path.0, ask_path.1);
    person.is_corrected("missing", ("there is no such file", "no existe"), ask_path);
    person.errs("", "nothing added", "no se ha añadido nada");

    // Tab writes the rest of the path, and every wrong answer is asked for again.
    person.types("2");
    person.is_asked(ask_path.0, ask_path.1);
    person.presses("holi");
    person.presses(keys::TAB);
    person.reads("holiday.bin", "holiday.bin");
    person.presses(keys::ENTER);
    person.reads(
        "195.3 KiB, 4 fragments of 64.0 KiB",
        "195.3 KiB, 4 fragmentos de 64.0 KiB",
    );
    person.is_asked(ask_size.0, ask_size.1);
    person.is_corrected("100KiB", ("a power of two", "una potencia de dos"), ask_size);
    person.types("128KiB");
    person.reads("2 fragments of 128.0 KiB", "2 fragmentos de 128.0 KiB");
    person.is_asked(ask_name.0, ask_name.1);
    let dots = ("must not be '.' or '..'", "no puede ser '.' ni '..'");
    person.is_corrected("../up", dots, ask_name);
    person.types("");
    person.is_asked(ask_replicas.0, ask_replicas.1);
    person.is_corrected("many", ("choose 1 to 32", "elija de 1 a 32"), ask_replicas);
    person.types("1");
    person.reads("published as holiday.bin", "publicado como holiday.bin");
    person.sees_the_prompt();

    person.types("2");
    person.is_asked(ask_path.0, ask_path.1);
    person.types("photos/");
    person.reads(
        "a directory, 1000 B in 1 file",
        "un directorio, 1000 B en 1 archivo",
    );
    person.is_asked("fragment size [", "tamaño de los fragmentos [");
    person.types("");
    person.is_asked("name [photos]: ", "nombre [photos]: ");
    person.types("");
    person.is_asked(ask_replicas.0, ask_replicas.1);
    person.types("1");
    person.reads("published as", "publicado como");
    person.sees_the_prompt();
}

fn looking(person: &mut Person) {
    person.types("4");
    person.reads("holiday.bin", "holiday.bin");
    person.sees_the_prompt();
    person.types("5");
    person.reads("NAME", "NOMBRE");
    person.reads("photos", "photos");
    person.reads("shared", "shared");
    person.reads("replicated", "replicado");
    person.sees_the_prompt();
    person.types("7");
    person.reads("PEER", "NODO");
    person.reads("live", "vivo");
    person.sees_the_prompt();
    person.types("8");
    person.reads("transfers", "transferencias");
    person.sees_the_prompt();
}

fn fetching(person: &mut Person, cluster: &Cluster, original: &Path) -> Result<()> {
    let ask = ("name, a part of one, or an id: ", "nombre, una parte, o un id: ");
    person.types("6");
    person.is_asked(ask.0, ask.1);
    let nobody = ("no name contains \"nobody\"", "ningún nombre contiene \"nobody\"");
    person.is_corrected("nobody", nobody, ask);
    person.errs("", "nothing to look for", "nada que buscar");

    // A part that is in two names, and a number that is none of them.
    person.types("6");
    person.is_asked(ask.0, ask.1);
    person.types("ho");
    let which = ("which one, 1 to 2: ", "¿cuál?, de 1 a 2: ");
    person.is_asked(which.0, which.1);
    person.is_corrected("3", ("choose 1 to 2", "elija de 1 a 2"), which);
    person.types("");
    person.is_asked(ask.0, ask.1);
    person.presses("shar");
    person.presses(keys::TAB);
    person.reads("shared", "shared");
    person.presses(keys::ENTER);
    person.reads("683.6 KiB in 11 fragments", "683.6 KiB en 11 fragmentos");
    person.is_asked("save as [./shared]: ", "guardar como [./shared]: ");
    person.types("from-the-menu");
    person.reads("for shared … received ", "pedido shared a ");
    person.reads("fetched shared to", "descargado shared en");
    person.sees_the_prompt();
    assert_same(original, &cluster.path("from-the-menu"));

    // An existing file needs confirmation.
    content::write(&cluster.path("in-the-way"), 100, 9)?;
    person.types("6");
    person.is_asked(ask.0, ask.1);
    person.types("shared");
    person.is_asked("save as [./shared]: ", "guardar como [./shared]: ");
    person.types("in-the-way");
    person.reads("exists; replace it? [y/N] ", "ya existe; ¿reemplazarlo? [s/N] ");
    person.errs("no", "nothing fetched", "no se ha descargado nada");

    // A directory, and then one file of it.
    person.types("6");
    person.is_asked(ask.0, ask.1);
    person.types("photos");
    person.reads("a directory: 1000 B", "un directorio: 1000 B");
    person.is_asked("Enter for all of it", "Intro para todo");
    person.types("");
    person.is_asked("save as [./photos]: ", "guardar como [./photos]: ");
    person.types("copy");
    person.reads("fetched photos to", "descargado photos en");
    person.sees_the_prompt();
    person.types("6");
    person.is_asked(ask.0, ask.1);
    person.types("photos/2024/a.jpg");
    person.is_asked("save as [./a.jpg]: ", "guardar como [./a.jpg]: ");
    person.types("one.jpg");
    person.reads("fetched photos/2024/a.jpg to", "descargado photos/2024/a.jpg en");
    person.sees_the_prompt();
    for copy in ["copy/2024/a.jpg", "one.jpg"] {
        assert_same(&cluster.path("photos/2024/a.jpg"), &cluster.path(copy));
    }

    // They are all on the list of transfers, with their results.
    person.types("10");
    person.reads("  1  ", "  1  ");
    person.reads("fetched photos/2024/a.jpg to", "descargado photos/2024/a.jpg en");
    person.is_asked("a number follows one", "un número la sigue");
    person.types("");
    person.sees_the_prompt();
    Ok(())
}

fn removing(person: &mut Person) {
    let ask = ("name to remove: ", "nombre que retirar: ");
    let sure = (
        "remove shared for everyone? [y/N] ",
        "¿retirar shared para todos? [s/N] ",
    );
    person.types("11");
    person.is_asked(ask.0, ask.1);
    person.is_corrected("a//b", ("contain '//'", "contener '//'"), ask);
    person.types("shared");
    person.reads(
        "without the name nobody finds it",
        "sin el nombre nadie lo encuentra",
    );
    person.is_asked(sure.0, sure.1);
    person.errs("", "nothing removed", "no se ha retirado nada");
    person.types("11");
    person.is_asked(ask.0, ask.1);
    person.types("shared");
    person.is_asked(sure.0, sure.1);
    let yes = person.in_words("y", "sí");
    person.types(yes);
    person.reads("removed shared for everyone", "retirado shared para todos");
    person.sees_the_prompt();
    person.types("11");
    person.is_asked(ask.0, ask.1);
    person.types("shared");
    person.is_asked(sure.0, sure.1);
    let yes = person.in_words("y", "s");
    person.errs(
        yes,
        "cannot remove shared",
        "no se puede retirar shared: no hay ningún nombre",
    );
}

fn forgetting(person: &mut Person) {
    let ask = (
        "number or name to remove from my list",
        "número o nombre que quitar de mi lista",
    );
    person.types("3");
    person.is_asked(ask.0, ask.1);
    person.is_corrected("99", ("is not on my list", "no está en mi lista"), ask);
    person.errs(
        "",
        "nothing removed from my list",
        "no se ha quitado nada de mi lista",
    );
    // The last copy is given up only when confirmed; the file stays.
    for (answer, english, spanish) in [
        (
            "n",
            "nothing removed from my list",
            "no se ha quitado nada de mi lista",
        ),
        (
            "y",
            "removed holiday.bin from my list",
            "holiday.bin quitado de mi lista",
        ),
    ] {
        person.types("3");
        person.is_asked(ask.0, ask.1);
        person.types("holiday.bin");
        person.is_asked(
            "remove holiday.bin from my list anyway?",
            "¿quitar holiday.bin de mi lista de todos modos?",
        );
        person.reads("] ", "] ");
        person.errs(answer, english, spanish);
    }
}

#[test]
fn at_a_terminal_every_option_works_and_wrong_input_is_answered() -> Result<()> {
    every_option(false)
}

#[test]
fn at_a_terminal_every_option_works_in_spanish_too() -> Result<()> {
    every_option(true)
}

#[test]
fn transfers_go_on_in_the_background_and_leaving_asks() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "slow", 32 << 20, 1)?;
    content::write(&cluster.path("mine"), 4 << 20, 5)?;
    let data_dir = cluster.path("newcomer");
    let limits = ["--upload-limit", "64KiB/s", "--download-limit", "64KiB/s"];
    let entry = cluster.entry();
    let mut person = Person::sits_down(&cluster, &data_dir, false, &[&limits[..], &entry].concat())?;
    let tracker = format!("connected {}", cluster.tracker.address());
    person.is_back(&tracker, &tracker);

    for line in ["6", "slow", "copy"] {
        person.types(line);
    }
    person.reads("fetching slow: 32.0 MiB", "");
    person.reads(
        &format!("asking {} for fragment", cluster.peer(0).program.address()),
        "",
    );
    person.presses(keys::CTRL_C);
    person.reads("transfer 1 goes on in the background", "");
    let one = format!("{tracker}, 1 transfer");
    person.is_back(&one, &one);
    // Something else meanwhile.
    for line in ["2", "mine", "", "", "1"] {
        person.types(line);
    }
    person.reads("published as mine", "");
    person.sees_the_prompt();
    person.types("10");
    person.reads("fetching slow: ", "");
    person.is_asked("a number follows one", "");
    person.types("c 1");
    person.reads("cancelled; what has been fetched is kept", "");
    person.is_back(&tracker, &tracker);
    person.types("t");
    person.is_asked("a number follows one", "");
    person.types("r 1");
    person.reads("fetching slow: 32.0 MiB", "");
    person.reads("asking", "");
    person.presses(keys::CTRL_C);
    person.is_back(&one, &one);
    let output = cluster.path("theirs");
    let mut theirs = cluster
        .peer(0)
        .command(["get", "mine", "--output", output.to_str().context("a text path")?])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let uploads = || -> Value {
        cluster
            .outsider("newcomer", ["status", "--json"])
            .expect(0)
            .json()["active_uploads"]
            .clone()
    };
    eventually("an upload", PATIENCE, uploads, |uploads| {
        uploads.as_u64() > Some(0)
    })?;
    person.types("0");
    person.reads("under way; leave anyway? [y/N] ", "");
    person.types("n");
    person.sees_the_prompt();
    person.presses(keys::CTRL_D);
    person.reads("under way; leave anyway? [y/N] ", "");
    person.presses(keys::CTRL_C);
    person.reads("stopping", "");
    let (code, rest) = person.terminal.end()?;
    assert_eq!(code, 0, "{rest}");
    theirs.kill()?;
    theirs.wait()?;
    Ok(())
}

#[test]
fn a_node_that_dies_meanwhile_is_missed_and_found_again() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    content::write(&cluster.path("mine"), 1000, 5)?;
    let data_dir = cluster.peer(0).data_dir().to_owned();
    let mut person = Person::sits_down(&cluster, &data_dir, false, &[])?;
    person.reads("This is the peer that already runs", "");
    let tracker = format!("connected {}", cluster.tracker.address());
    person.is_back(&tracker, &tracker);
    cluster.peer_mut(0).program.kill();
    person.types("8");
    person.reads("cannot ask the peer for its status", "");
    person.reads("the peer does not answer any more", "");
    person.is_back("no answer from the peer", "");
    person.types("5");
    person.reads("cannot list the network's names", "");
    person.sees_the_prompt();
    cluster.peer_mut(0).program.restart()?;
    cluster.wait_for_live_peers(1)?;
    person.types("?");
    person.reads("talking to the peer at", "");
    person.is_back(&tracker, &tracker);
    // Commands that need the owner work again too.
    for line in ["2", "mine", "", "", "1"] {
        person.types(line);
    }
    person.reads("published as mine", "");
    person.sees_the_prompt();
    // The peer does not belong to the menu.
    person.types("9");
    person.is_asked("this peer runs without the menu too", "");
    person.errs("n", "it stays in its network", "");
    person.terminal.signal(harness::Signal::TERM)?;
    let (code, rest) = person.terminal.end()?;
    assert_eq!(code, 0, "{rest}");
    Ok(())
}

#[test]
fn the_end_of_a_transfer_is_told_above_the_line_that_is_typed() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let original = publish(&cluster, 0, "slow", 8 << 20, 1)?;
    let data_dir = cluster.path("newcomer");
    let [flag, entry] = cluster.entry();
    let flags = ["--download-limit", "64KiB/s", flag, entry];
    let mut person = Person::sits_down(&cluster, &data_dir, false, &flags)?;
    let tracker = format!("connected {}", cluster.tracker.address());
    person.is_back(&tracker, &tracker);
    for line in ["6", "slow", "copy"] {
        person.types(line);
    }
    person.reads("asking", "");
    person.presses(keys::CTRL_C);
    let one = format!("{tracker}, 1 transfer");
    person.is_back(&one, &one);
    person.presses("he");
    let limit = ["limit", "--download", "none"];
    drop(cluster.outsider("newcomer", limit).expect(0));
    person.reads("[1] fetched slow to", "");
    person.presses("lp");
    person.presses(keys::ENTER);
    person.reads("1 c  connect to a network", "");
    person.is_back(&tracker, &tracker);
    assert_same(&original, &cluster.path("copy"));
    person.presses(keys::CTRL_C);
    person.reads("0 or Ctrl-D leaves the menu", "");
    person.sees_the_prompt();
    person.presses(keys::CTRL_C);
    person.reads("stopping", "");
    let (code, rest) = person.terminal.end()?;
    assert_eq!(code, 0, "{rest}");
    // The last network is offered, and Enter takes it.
    let mut person = Person::sits_down(&cluster, &data_dir, false, &[])?;
    person.is_asked("connect to the last network, webserver", "");
    person.types("");
    person.reads("connected to the tracker at", "");
    person.is_back(&tracker, &tracker);
    person.types("0");
    let (code, rest) = person.terminal.end()?;
    assert_eq!(code, 0, "{rest}");
    Ok(())
}
