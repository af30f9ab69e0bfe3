//! Every provider against a real server. What all of them do is one suite ([`cases`]); what one alone does is beside it.

mod cases;
mod echo;
mod own;
mod peer;
mod relay;
mod trouble;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Trial};
use peers::{Nats, Rabbit, Redis};

use crate::peer::{Peer, Stage};

/// A case: it has a queue of its own.
type Case = fn(Stage) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// A provider: its name, how a server of it starts, and the cases that are its own.
type Provider = (&'static str, fn() -> Arc<dyn Peer>, &'static [(&'static str, Case)]);

/// A list of cases, with their names.
macro_rules! cases {
    ($($module:ident: $($case:ident),* $(,)?;)*) => {
        &[$($((stringify!($case), |stage| Box::pin($module::$case(stage)))),*),*]
    };
}

const OF_ALL: &[(&str, Case)] = cases! {
    cases: hands_out_what_was_published_in_order, done_does_not_come_again, what_was_dropped_comes_again,
        what_lay_on_a_lost_connection_comes_again, again_comes_back_and_not_too_early, dead_lies_where_people_find_it,
        no_more_than_at_once_are_unsettled, waiting_may_be_given_up, two_share_what_comes, what_is_worked_on_stays,
        what_is_settled_is_settled_once;
    trouble: a_wrong_password_is_told, what_is_not_there_is_told, the_certificate_must_be_the_hosts,
        a_message_that_is_too_long_is_dead, headers_without_end_are_dead, a_test_uses_the_connection,
        a_silent_server_is_noticed, where_flows_may_not_go_a_component_may_not_either;
};

/// Those that end the server meanwhile: each has one of its own.
const OF_RESTARTS: &[(&str, Case)] = cases! {
    trouble: a_server_that_starts_again_is_noticed_and_gives_what_it_held;
};

const OF_REDIS: &[(&str, Case)] = cases! {
    own: fields_without_a_body_are_an_object, consumers_that_are_gone_are_removed,
        what_cannot_be_put_among_the_dead_comes_again, a_group_that_is_removed_is_told;
};

const OF_NATS: &[(&str, Case)] = cases! {
    own: a_key_lets_in, a_consumer_that_is_there_is_taken_as_it_is, a_consumer_that_is_removed_is_told,
        a_stream_that_is_made_anew_has_other_keys;
};

const OF_AMQP: &[(&str, Case)] = cases! {
    own: without_a_message_id_there_is_no_key, properties_and_tables_are_headers, a_queue_that_is_removed_is_told;
};

/// A server, which starts when the first case wants it.
type Server = Arc<LazyLock<Arc<dyn Peer>, fn() -> Arc<dyn Peer>>>;

fn trials(provider: &str, server: &Server, cases: &[(&'static str, Case)]) -> Vec<Trial> {
    let trial = |(name, case): &(&'static str, Case)| {
        let (name, case, server) = (*name, *case, server.clone());
        Trial::test(format!("{provider}::{name}"), move || {
            let peer = Arc::clone(&**server);
            runtime().block_on(case(Stage::new(peer, name)));
            Ok(())
        })
    };
    cases.iter().map(trial).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn main() {
    let providers: [Provider; 3] = [
        ("redis", || Arc::new(peer::OfRedis::new(Redis::start())), OF_REDIS),
        ("nats", || Arc::new(peer::OfNats::new(Nats::start())), OF_NATS),
        ("amqp", || Arc::new(peer::OfAmqp::new(Rabbit::start())), OF_AMQP),
    ];
    let mut all = vec![
        Trial::test("settings::what_a_component_says_wrong_is_told_with_its_field", own::settings),
        Trial::test("settings::what_a_channel_says_wrong_is_told_with_its_field", own::sources),
        Trial::test("nats::a_token_lets_in", || {
            runtime().block_on(own::a_token_lets_in());
            Ok(())
        }),
    ];
    for (name, case) in echo::CASES {
        let name = format!("{name}::what_the_server_says_again_is_told_without_the_secret");
        all.push(Trial::test(name, move || {
            runtime().block_on(case());
            Ok(())
        }));
    }
    for (name, start, own) in providers {
        let shared: Server = Arc::new(LazyLock::new(start));
        all.extend(trials(name, &shared, OF_ALL));
        all.extend(trials(name, &shared, own));
        all.extend(trials(name, &Arc::new(LazyLock::new(start)), OF_RESTARTS));
    }
    // The servers end with the last case that holds them.
    let mut arguments = Arguments::from_args();
    // Most of them wait, for time to go by.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    libtest_mimic::run(&arguments, all).exit();
}
