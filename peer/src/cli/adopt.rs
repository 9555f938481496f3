//! `peer adopt-network`: the names of a network that is gone for good, published in the present one.

use shared::json::AdoptedNetwork;

use super::context::Context;
use super::node::require_no_node;
use crate::terminal::exit::{Exit, Failure};
use crate::{node, words};

/// Puts the publications of another network, or of all others, into the outbox of the present one.
pub(super) async fn run(context: &Context<'_>, network: Option<&str>) -> Result<(), Failure> {
    let data_dir = &context.options.data_dir;
    require_no_node(data_dir, words::adopt_network())?;
    let adopted = node::adopt_network(data_dir, context.options.node.capacity, network).await;
    let adopted = adopted.map_err(|error| Failure::of(words::adopt_network(), &error))?;
    let Some((here, adopted)) = adopted else {
        let none = words::in_no_network_yet(data_dir.display());
        return Err(Failure::new(Exit::NotFound, none));
    };
    if let Some(asked) = network
        && adopted.networks == 0
    {
        let none = words::no_such_network(asked, data_dir.display());
        return Err(Failure::new(Exit::NotFound, none));
    }
    for name in &adopted.names {
        context.out.note(&words::will_be_published_here(name));
    }
    for name in &adopted.taken {
        context.out.note(&words::is_taken_here(name));
    }
    let waiting = words::publications(adopted.names.len() as u64);
    context.out.line(&words::adopted(waiting, here));
    context.out.json(&AdoptedNetwork {
        network: here.to_string(),
        names: adopted.names.iter().map(ToString::to_string).collect(),
        taken: adopted.taken.iter().map(ToString::to_string).collect(),
    });
    Ok(())
}
