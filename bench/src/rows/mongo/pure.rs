//! Three pure steps on MongoDB, run and waited for, beside a bare client that inserts as many bytes
//! for each play. The server shares the machine, too.

use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};

use super::super::{Stage, measured, order, priced};
use super::{DATABASE, Shared};
use crate::Outcome;
use crate::load::{Load, Until};
use crate::table::{Line, figure, median};

/// Documents of one insert of the reference.
const TOGETHER: usize = 100;

/// Plays a second that are aimed for, whatever the reference does.
const PLAYS: f64 = 2_000.0;

pub(in crate::rows) fn row(stage: &Stage) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let database = Shared::start(&runtime);
    let client = runtime.block_on(database.client())?;
    let server = database.replica(stage, "mongo", &[])?;
    let flow = server.home.publish("three-steps", &priced(3))?;
    let request = server.home.run_request(&flow, true, &order());
    let load = Load {
        address: server.address,
        connections: 64,
        request: &request,
        expects: r#""state":"DONE""#,
        until: Until::Elapsed(stage.seconds),
    };
    let warm_up = Load { until: Until::Elapsed(Duration::from_secs(1)), ..load };
    warm_up.run()?;
    let bytes = runtime.block_on(bytes_of_a_play(&client.database(DATABASE)))?;
    let (mut plays, mut slow, mut cpu, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        bare.push(runtime.block_on(inserts(&client.database("bare"), bytes, stage.seconds))?);
        let (measured, used) = measured(&server, &load)?;
        plays.push(measured.per_second());
        slow.push(measured.within(0.99));
        cpu.push(used);
    }
    server.stop()?;
    let plays = median(plays);
    let rest = format!("p99 {} ms, {} ms of processor time of flow8", figure(median(slow)), figure(median(cpu)));
    Ok(vec![
        Line::at_least(
            "on MongoDB: 3 pure steps, waited for, 64 connections",
            plays,
            median(bare),
            "plays/s, documents/s",
            0.15,
        ),
        Line::alone("— alone", rest, &format!("≥ {PLAYS} plays/s"), plays >= PLAYS),
    ])
}

/// What one play of the newest left in the database.
async fn bytes_of_a_play(db: &Database) -> Outcome<usize> {
    let mut all = 0;
    for (collection, field) in [("plays", "h"), ("chunks", "b"), ("audit", "b")] {
        let newest = db.collection::<Document>(collection).find_one(doc! {}).sort(doc! { "_id": -1 }).await?;
        all += newest.ok_or("nothing was kept")?.get_binary_generic(field)?.len();
    }
    Ok(all)
}

/// Documents of so many bytes that a bare client inserts in a second.
async fn inserts(db: &Database, bytes: usize, time: Duration) -> Outcome<f64> {
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let collection = db.collection::<Document>("rows");
    let row = doc! { "bytes": Binary { subtype: BinarySubtype::Generic, bytes: vec![7; bytes] } };
    let (begun, mut count) = (Instant::now(), 0_usize);
    while begun.elapsed() < time {
        collection.insert_many(vec![row.clone(); TOGETHER]).write_concern(durable.clone()).await?;
        count += TOGETHER;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
