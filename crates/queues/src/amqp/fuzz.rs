//! What is made of frames, whatever is in them.

use model::failure::Failure;

use super::conn::{closed, name};
use super::given::Given;
use super::wire::{Args, Frame, Kind};
use crate::fault::Hush;
use crate::message::Came;

pub(crate) fn messages(frames: Vec<Frame>) -> Vec<Came> {
    let (mut given, mut found) = (None, Vec::new());
    for frame in frames {
        if step(frame, &mut given).is_err() {
            return found;
        }
        let whole = given.take_if(|given: &mut Given| given.is_whole());
        found.extend(whole.and_then(|given| given.came("orders").ok()));
    }
    found
}

fn step(Frame { kind, payload, .. }: Frame, given: &mut Option<Given>) -> Result<(), Failure> {
    let mut args = Args(payload);
    match (kind, given.as_mut()) {
        (Kind::Method, _) => match (args.u16()?, args.u16()?) {
            name::DELIVER => *given = Some(Given::new(&mut args)?),
            _ => return Err(closed(&mut args, &Hush::default())?),
        },
        (Kind::Head, Some(given)) => given.head(&mut args)?,
        (Kind::Body, Some(given)) => given.part(&args.0)?,
        _ => {}
    }
    Ok(())
}
