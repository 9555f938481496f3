//! So many of something.

shared::messages! {
    fn contents(count) { en: ["1 content", "{count} contents"], es: ["1 contenido", "{count} contenidos"] }
    fn directories(count) { en: ["1 directory", "{count} directories"], es: ["1 directorio", "{count} directorios"] }
    fn downloads(count) { en: ["1 download", "{count} downloads"], es: ["1 descarga", "{count} descargas"] }
    fn files(count) { en: ["1 file", "{count} files"], es: ["1 archivo", "{count} archivos"] }
    fn fragments(count) { en: ["1 fragment", "{count} fragments"], es: ["1 fragmento", "{count} fragmentos"] }
    fn links(count) { en: ["1 link", "{count} links"], es: ["1 enlace", "{count} enlaces"] }
    fn peers(count) { en: ["1 peer", "{count} peers"], es: ["1 nodo", "{count} nodos"] }
    fn replicas(count) { en: ["1 replica", "{count} replicas"], es: ["1 réplica", "{count} réplicas"] }
    fn transfers(count) { en: ["1 transfer", "{count} transfers"], es: ["1 transferencia", "{count} transferencias"] }
    fn uploads(count) { en: ["1 upload", "{count} uploads"], es: ["1 envío", "{count} envíos"] }
}
