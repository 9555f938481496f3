//! What is wrong with a command line or a setting, and the few words of the help that depend on values.

shared::messages! {
    fn see_help(what) { en: "{what}; see `peer --help`", es: "{what}; vea `peer --help`" }
    fn default_value(value) { en: "[default: {value}]", es: "[por omisión: {value}]" }
    fn values_are(values) { en: "[possible values: {values}]", es: "[valores: {values}]" }

    fn value_missing(argument) { en: "{argument} needs a value", es: "falta el valor de '{argument}'" }
    fn value_invalid(value, argument) {
        en: "'{value}' is no value for '{argument}'",
        es: "'{value}' no vale para '{argument}'"
    }
    fn values_possible(values) { en: "possible are {values}", es: "puede ser {values}" }
    fn values_wrong_number(argument) {
        en: "'{argument}' has the wrong number of values",
        es: "'{argument}' no lleva ese número de valores"
    }
    fn equals_missing(argument) {
        en: "'{argument}' needs an equals sign before its value",
        es: "'{argument}' necesita un signo igual delante de su valor"
    }
    fn argument_unexpected(argument) { en: "unexpected '{argument}'", es: "no se esperaba '{argument}'" }
    fn arguments_conflict(argument, prior) {
        en: "'{argument}' cannot be used with '{prior}'",
        es: "'{argument}' no puede ir con '{prior}'"
    }
    fn arguments_missing(arguments) { en: "{arguments} is missing", es: "falta {arguments}" }
    fn no_such_command(name) { en: "there is no command '{name}'", es: "no existe la orden '{name}'" }
    fn did_you_mean(what) { en: "did you mean '{what}'?", es: "¿quiso decir '{what}'?" }
    fn not_understood(english) { en: "{english}", es: "no se entiende la orden: «{english}»" }

    fn flags_once() {
        en: "write the flags for running a node once, after the command",
        es: "escriba las opciones para arrancar un nodo una vez, detrás de la orden"
    }
    fn never_runs_a_node() {
        en: "this command never runs a node: the flags for running one, such as --tracker or --capacity, mean nothing to it",
        es: "esta orden nunca arranca un nodo: las opciones para arrancar uno, como --tracker o --capacity, no le dicen nada"
    }
    fn serve_and_peer() {
        en: "`serve` runs a node, --peer names one that is running; use --data-dir",
        es: "`serve` arranca un nodo, --peer indica uno ya en marcha; use --data-dir"
    }
    fn no_home() {
        en: "cannot tell where to keep data: HOME is not set; name a directory with --data-dir",
        es: "no se sabe dónde guardar los datos: HOME no está definida; indique un directorio con --data-dir"
    }
    fn bad_data_dir(path, reason) {
        en: "cannot use the data directory {path}: {reason}",
        es: "no vale el directorio de datos {path}: {reason}"
    }
    fn menu_has_no_json() {
        en: "--json goes with a command; the menu is for people",
        es: "--json va con una orden; el menú es para personas"
    }
}
