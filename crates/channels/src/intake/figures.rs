//! [`Figures`]: what came in from queues and mailboxes, and what became of it. Labels are kinds and verdicts, never
//! what a message says.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::channel::Kind;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMessage {
    kind: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// What came in, and what became of it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    messages: Family<OfMessage, Counter>,
    reconnects: Family<OfKind, Counter>,
    connected: Family<OfKind, Gauge>,
}

impl Figures {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let messages = "Messages that came in, by what became of them: started, replayed, again or dead";
        registry.register("intake_messages", messages, self.messages.clone());
        let reconnects = "Ways in to messages that were lost, or could not be opened";
        registry.register("intake_reconnects", reconnects, self.reconnects.clone());
        registry.register("intake_connected", "Ways in to messages that are open here", self.connected.clone());
        // They are told from the beginning, so that a rise from nothing is one.
        for kind in [Kind::Queue, Kind::Mailbox] {
            let kind = kind.as_str();
            self.connected.get_or_create(&OfKind { kind }).set(0);
            self.reconnects.get_or_create(&OfKind { kind }).inc_by(0);
            for verdict in ["started", "replayed", "again", "dead"] {
                self.messages.get_or_create(&OfMessage { kind, verdict }).inc_by(0);
            }
        }
    }

    pub(crate) fn settled(&self, kind: Kind, verdict: &'static str) {
        self.messages.get_or_create(&OfMessage { kind: kind.as_str(), verdict }).inc();
    }

    pub(crate) fn lost(&self, kind: Kind) {
        self.reconnects.get_or_create(&OfKind { kind: kind.as_str() }).inc();
    }

    pub(crate) fn connected(&self, kind: Kind, more: i64) {
        self.connected.get_or_create(&OfKind { kind: kind.as_str() }).inc_by(more);
    }
}
