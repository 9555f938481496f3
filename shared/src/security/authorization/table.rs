//! The table: every call of every program, and everything that it does.
//!
//! Tests compare it with the descriptors of the services and with the routes in the sources, both ways.

use super::Action::{
    Administer, Belong, Command, Describe, Enter, Operate, Probe, Publish, Read, Remove, Speak, Transfer,
};
use super::{Action, Audience, Role};

/// Calls that are for the same callers.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) programs: &'static [Role],
    pub(super) audience: Audience,
    pub(super) calls: &'static [(&'static str, &'static [Action])],
}

pub(super) const TABLE: &[Group] = &[
    Group {
        programs: &[Role::Tracker, Role::Webserver, Role::Peer],
        audience: Audience::Network,
        calls: &[
            ("/grpc.health.v1.Health/Check", &[Probe]),
            ("/grpc.health.v1.Health/Watch", &[Probe]),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                &[Describe],
            ),
            (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                &[Describe],
            ),
            ("GET /healthz", &[Probe]),
            ("GET /readyz", &[Probe]),
        ],
    },
    Group {
        programs: &[Role::Tracker],
        audience: Audience::Network,
        calls: &[
            ("/enjambre.v1.Session/Open", &[Speak]),
            // The publisher is a peer, which holds the content.
            ("/enjambre.v1.Catalog/Publish", &[Publish, Speak]),
            ("/enjambre.v1.Catalog/PublishCollection", &[Publish, Speak]),
            ("/enjambre.v1.Catalog/Head", &[Read]),
            ("/enjambre.v1.Catalog/Resolve", &[Read]),
            ("/enjambre.v1.Catalog/List", &[Read]),
            ("/enjambre.v1.Catalog/Locate", &[Read]),
            ("/enjambre.v1.Catalog/Remove", &[Remove]),
            // The old name goes, the new one is bound.
            ("/enjambre.v1.Catalog/Rename", &[Remove, Publish]),
            ("/enjambre.v1.Catalog/History", &[Read]),
            ("/enjambre.v1.Catalog/Pin", &[Publish]),
            ("/enjambre.v1.Catalog/Watch", &[Read]),
            ("/enjambre.v1.Catalog/Events", &[Read]),
            ("/enjambre.v1.Catalog/Peers", &[Read]),
            ("/enjambre.v1.Upkeep/SetTarget", &[Publish]),
            ("/enjambre.v1.Upkeep/SetDuty", &[Operate]),
            ("/enjambre.v1.Upkeep/DrainStatus", &[Read]),
            ("/enjambre.v1.Upkeep/Durability", &[Read]),
            ("/enjambre.v1.Upkeep/Survey", &[Read]),
            ("/enjambre.v1.Upkeep/Why", &[Read]),
            ("/enjambre.v1.Upkeep/Release", &[Speak]),
            ("/enjambre.v1.Upkeep/ForgetPeer", &[Operate]),
            // The request proves the right to a certificate.
            ("/enjambre.v1.Security/Enrol", &[Enter]),
            ("/enjambre.v1.Security/Renew", &[Enter]),
            ("/enjambre.v1.Security/Follow", &[Belong]),
            ("/enjambre.v1.Security/CreateToken", &[Administer]),
            ("/enjambre.v1.Security/ListTokens", &[Administer]),
            ("/enjambre.v1.Security/RevokeToken", &[Administer]),
            ("/enjambre.v1.Security/ListMembers", &[Administer]),
            ("/enjambre.v1.Security/RevokeMember", &[Administer]),
            ("/enjambre.v1.Security/RotateAuthority", &[Administer]),
            ("GET /api/v1/names", &[Read]),
            ("GET /api/v1/names/{*name}", &[Read]),
            ("GET /api/v1/history/{*name}", &[Read]),
            ("GET /api/v1/contents/{id}", &[Read]),
            ("GET /api/v1/peers", &[Read]),
            ("GET /api/v1/status", &[Read]),
        ],
    },
    Group {
        programs: &[Role::Webserver, Role::Peer],
        audience: Audience::Network,
        calls: &[("/enjambre.v1.Directory/Trackers", &[Enter])],
    },
    Group {
        programs: &[Role::Webserver],
        audience: Audience::Network,
        calls: &[
            ("GET /", &[Probe]),
            ("GET /page.js", &[Probe]),
            ("GET /page.css", &[Probe]),
            // A tracker decides about the request itself.
            ("ANY /api/", &[Enter]),
            ("ANY /api/{*rest}", &[Enter]),
            // As open as the service `Directory`.
            ("GET /directory.json", &[Enter]),
        ],
    },
    Group {
        programs: &[Role::Peer],
        audience: Audience::Network,
        calls: &[
            ("/enjambre.v1.Transfer/Fetch", &[Transfer]),
            ("/enjambre.v1.Transfer/Describe", &[Transfer]),
            ("/enjambre.v1.Transfer/Follow", &[Transfer]),
            ("/enjambre.v1.Transfer/Dispute", &[Transfer]),
        ],
    },
    Group {
        programs: &[Role::Peer],
        audience: Audience::Machine,
        calls: &[
            ("/enjambre.v1.Control/Status", &[Command]),
            ("/enjambre.v1.Control/Connect", &[Command]),
            ("/enjambre.v1.Control/Join", &[Command]),
            ("/enjambre.v1.Control/Disconnect", &[Command]),
            ("/enjambre.v1.Control/Add", &[Command]),
            ("/enjambre.v1.Control/AddStream", &[Command]),
            ("/enjambre.v1.Control/Get", &[Command]),
            ("/enjambre.v1.Control/Plan", &[Command]),
            ("/enjambre.v1.Control/Shadowed", &[Command]),
            ("/enjambre.v1.Control/Read", &[Command]),
            ("/enjambre.v1.Control/Entries", &[Command]),
            ("/enjambre.v1.Control/PutValue", &[Command]),
            ("/enjambre.v1.Control/GetValue", &[Command]),
            ("/enjambre.v1.Control/Remove", &[Command]),
            ("/enjambre.v1.Control/RemoveAfter", &[Command]),
            ("/enjambre.v1.Control/Rename", &[Command]),
            ("/enjambre.v1.Control/History", &[Command]),
            ("/enjambre.v1.Control/Pin", &[Command]),
            ("/enjambre.v1.Control/Forget", &[Command]),
            ("/enjambre.v1.Control/LocalList", &[Command]),
            ("/enjambre.v1.Control/NetworkList", &[Command]),
            ("/enjambre.v1.Control/NetworkLocate", &[Command]),
            ("/enjambre.v1.Control/NetworkPeers", &[Command]),
            ("/enjambre.v1.Control/Events", &[Command]),
            ("/enjambre.v1.Control/Verify", &[Command]),
            ("/enjambre.v1.Control/SetLimits", &[Command]),
            ("/enjambre.v1.Control/Settings", &[Command]),
            ("/enjambre.v1.Control/SetTarget", &[Command]),
            ("/enjambre.v1.Control/SetDuty", &[Command]),
            ("/enjambre.v1.Control/ForgetPeer", &[Command]),
            ("/enjambre.v1.Control/DrainStatus", &[Command]),
            ("/enjambre.v1.Control/Durability", &[Command]),
            ("/enjambre.v1.Control/Survey", &[Command]),
            ("/enjambre.v1.Control/Why", &[Command]),
            ("GET /api/v1/status", &[Read]),
            ("GET /api/v1/files", &[Read]),
            ("GET /api/v1/peers", &[Read]),
            ("GET /api/v1/locate/{*name}", &[Read]),
            ("GET /api/v1/values/{*key}", &[Read]),
            ("PUT /api/v1/values/{*key}", &[Publish]),
            ("DELETE /api/v1/values/{*key}", &[Remove]),
            ("GET /files/{*name}", &[Read]),
            ("PUT /files/{*name}", &[Publish]),
            ("DELETE /files/{*name}", &[Remove]),
        ],
    },
];
