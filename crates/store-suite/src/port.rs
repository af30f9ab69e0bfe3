//! [`Port`]: a port for a server that is told which to take.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where ports are looked for: below those that systems give to outgoing connections, and to whoever binds
/// any, so that none of these comes first.
const FROM: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nobody listens on, and that no other [`Port`] has, in this process or another, for as long as
/// this one is kept.
pub struct Port {
    /// The UDP port of the same number: a reservation that a TCP server does not mind, and that ends with
    /// the process.
    reserved: UdpSocket,
}

impl Port {
    /// Finds one.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn find() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Processes that run at the same time begin at different places.
        let first = std::process::id().wrapping_mul(61);
        let found = (0..COUNT).find_map(|_| {
            let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let offset = u16::try_from(first.wrapping_add(next) % u32::from(COUNT)).expect("below COUNT");
            Self::reserve(FROM + offset)
        });
        found.expect("a port that nobody has")
    }

    fn reserve(number: u16) -> Option<Self> {
        let at = (Ipv4Addr::LOCALHOST, number);
        let reserved = match UdpSocket::bind(at) {
            Ok(reserved) => reserved,
            Err(error) if error.kind() == ErrorKind::AddrInUse => return None,
            Err(error) => panic!("a UDP port: {error}"),
        };
        // Only now: what was bound to look is free again before anybody else may look.
        TcpListener::bind(at).is_ok().then_some(Self { reserved })
    }

    /// Its number.
    ///
    /// # Panics
    /// Never: the socket is bound.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.reserved.local_addr().expect("it is bound").port()
    }
}
