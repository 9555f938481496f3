//! The catalogue of messages about settings, in English and in Spanish; see [`crate::messages!`].

crate::messages! {
    // Places.
    fn bad_variable(variable, reason) {
        en: "cannot use {variable} from the environment: {reason}",
        es: "no vale {variable} del entorno: {reason}"
    }
    fn bad_flag(flag, reason) { en: "cannot use --{flag}: {reason}", es: "no vale --{flag}: {reason}" }
    fn unreadable_file(path, reason) {
        en: "cannot read the configuration file {path}: {reason}",
        es: "no se puede leer el archivo de configuración {path}: {reason}"
    }
    fn bad_file(path) { en: "cannot use {path}", es: "no vale {path}" }
    fn more_problems(count) {
        en: ["1 more; `config check` lists them", "{count} more; `config check` lists them"],
        es: ["y otro; `config check` los lista", "y otros {count}; `config check` los lista"]
    }
    fn both_flags(first, second) {
        en: "the flags give both {first} and {second}; choose one",
        es: "las opciones dicen tanto {first} como {second}; elija una"
    }
    fn both_variables(first, second) {
        en: "the environment variables give both {first} and {second}; choose one",
        es: "las variables del entorno dicen tanto {first} como {second}; elija una"
    }
    fn file_too_large(length, max) {
        en: "it has {length} bytes, a configuration file has at most {max}",
        es: "tiene {length} bytes, un archivo de configuración tiene como mucho {max}"
    }

    // Lines of a file.
    fn unknown_key(name) {
        en: "unknown key {name}; `config show` lists the ones that there are",
        es: "no existe la clave {name}; `config show` lista las que hay"
    }
    fn mistyped_key(name, near) {
        en: "unknown key {name}; did you mean {near}?",
        es: "no existe la clave {name}; ¿quiso decir {near}?"
    }
    fn is_a_table(name) {
        en: "it is a table; write [{name}] and its keys below",
        es: "es una tabla; escriba [{name}] y debajo sus claves"
    }
    fn given_too(first, line) {
        en: "{first} is given too, in line {line}; choose one",
        es: "{first} también está, en la línea {line}; elija una"
    }
    fn empty_list() {
        en: "the list is empty; leave the key out instead",
        es: "la lista está vacía; mejor quite la clave"
    }
    fn one_value_wanted() { en: "one value is wanted, not a list", es: "se espera un valor, no una lista" }
    fn plain_value_wanted() {
        en: "a text, a number or true/false is wanted",
        es: "se espera un texto, un número o true/false"
    }
    /// Message of the TOML parser, in its words.
    fn no_toml(found) { en: "{found}", es: "no es TOML: «{found}»" }

    // Values.
    fn no_value(text, reason) {
        en: "{text} is no value of it: {reason}",
        es: "{text} no es un valor suyo: {reason}"
    }
    fn not_utf8() { en: "it is not UTF-8", es: "no es UTF-8" }
    fn empty_path() { en: "a path cannot be empty", es: "una ruta no puede estar vacía" }
    fn too_short(text) {
        en: "{text} is too short: members hear from their tracker every 10m; at least 30m",
        es: "{text} es poco: los miembros saben de su tracker cada 10m; al menos 30m"
    }
    fn neither(text) { en: "{text} is neither true nor false", es: "{text} no es ni true ni false" }
    fn no_whole_number(text, least, most) {
        en: "{text} is no whole number from {least} to {most}",
        es: "{text} no es un número entero de {least} a {most}"
    }
    fn no_size(text) {
        en: "{text} is not a size; write a number and a unit: B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), such as 500MB or 50GiB",
        es: "{text} no es un tamaño; escriba un número y una unidad: B, kB, MB, GB, TB (potencias de 1000) o KiB, MiB, GiB, TiB (potencias de 1024), como 500MB o 50GiB"
    }
    fn no_rate(text) {
        en: "{text} is not a rate; write a number and a unit: kB/s, MB/s, GB/s or KiB/s, MiB/s, GiB/s for bytes, kbit/s, Mbit/s, Gbit/s for bits, such as 10MB/s or 80Mbit/s",
        es: "{text} no es una velocidad; escriba un número y una unidad: kB/s, MB/s, GB/s o KiB/s, MiB/s, GiB/s para bytes, kbit/s, Mbit/s, Gbit/s para bits, como 10MB/s u 80Mbit/s"
    }
    fn no_duration(text) {
        en: "{text} is not a duration; write a number with a unit, such as 500ms, 30s, 10m or 2h",
        es: "{text} no es una duración; escriba un número con su unidad, como 500ms, 30s, 10m o 2h"
    }
    fn no_address(text) {
        en: "{text} is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051",
        es: "{text} no es HOST:PUERTO, como 127.0.0.1:50051 o [::1]:50051"
    }
    fn undialable(address) {
        en: "nobody can dial {address}: it stands for every address of a machine, or for many machines; give the address of one machine, such as 127.0.0.1:50051",
        es: "nadie puede llamar a {address}: designa todas las direcciones de una máquina, o muchas máquinas; dé la dirección de una, como 127.0.0.1:50051"
    }
    fn no_zone(text) {
        en: "{text} is not a zone; use 1 to 64 letters, digits, '-', '_' and '.'",
        es: "{text} no es una zona; use de 1 a 64 letras, cifras, '-', '_' y '.'"
    }
    fn no_target(text, max) {
        en: "{text} is not a number of replicas; choose 1 to {max}",
        es: "{text} no es un número de réplicas; elija de 1 a {max}"
    }
    fn no_fragment_length(text) {
        en: "{text} is not a fragment length; choose a power of two from 64KiB to 16MiB",
        es: "{text} no es una longitud de fragmento; elija una potencia de dos de 64KiB a 16MiB"
    }
    fn no_language(text) {
        en: "{text} is no language that is spoken here; choose en or es",
        es: "{text} no es un idioma que se hable aquí; elija en o es"
    }
    fn no_log_filter(text) {
        en: "{text} is no log filter; give a level (error, warn, info, debug, trace) or directives such as peer=debug,info",
        es: "{text} no dice qué registrar; dé un nivel (error, warn, info, debug, trace) o directivas como peer=debug,info"
    }
    fn no_log_format(text) {
        en: "{text} is no log format; give auto, text or json",
        es: "{text} no es un formato de registro; dé auto, text o json"
    }
    /// Message of another component, in its words, which are English.
    fn found(reason) { en: "{reason}", es: "«{reason}»" }

    // `config show` and `config check`.
    fn title_key() { en: "KEY", es: "CLAVE" }
    fn title_value() { en: "VALUE", es: "VALOR" }
    fn title_from() { en: "FROM", es: "VIENE DE" }
    fn title_change() { en: "A CHANGE COUNTS", es: "UN CAMBIO VALE" }
    fn at_once() { en: "at once", es: "en el acto" }
    fn at_restart() { en: "after a restart", es: "tras reiniciar" }
    fn each_command() { en: "for the next command", es: "para la orden siguiente" }
    fn not_set() { en: "not set", es: "sin valor" }
    fn from_default() { en: "default", es: "por omisión" }
    fn from_command() { en: "a command", es: "una orden" }
    fn values_of_a_start() {
        en: "a start with the same flags, file and environment would use these; no running program was asked",
        es: "un arranque con las mismas opciones, archivo y entorno usaría estos; no se preguntó a ningún programa en marcha"
    }
    fn from_flag() { en: "flag", es: "opción" }
    fn the_environment() { en: "the environment", es: "el entorno" }
    fn can_be_used(what) { en: "{what} can be used", es: "{what} vale" }
    fn needs_restart(keys) {
        en: "a running program takes these only when it is started again: {keys}",
        es: "un programa en marcha no toma estas hasta que se reinicia: {keys}"
    }
    fn has_problems(count, what) {
        en: ["{what} has a problem", "{what} has {count} problems"],
        es: ["{what} tiene un problema", "{what} tiene {count} problemas"]
    }

    // Other chores.
    fn pages_written(count, directory) {
        en: ["1 page in {directory}", "{count} pages in {directory}"],
        es: ["1 página en {directory}", "{count} páginas en {directory}"]
    }
    fn pages_failed(directory, reason) {
        en: "cannot write manual pages into {directory}: {reason}",
        es: "no se pueden escribir las páginas de manual en {directory}: {reason}"
    }
}

#[cfg(test)]
mod tests {
    use super::MESSAGES;
    use crate::language::Message;

    #[test]
    fn every_message_is_in_both_languages() {
        let complaints: Vec<_> = MESSAGES.iter().filter_map(Message::complaint).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
