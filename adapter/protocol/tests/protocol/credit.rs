use fastcgi_protocol::{Grant, MAX_WINDOW, ProtocolError, Window};
use proptest::prelude::*;

proptest! {
    /// Sender and receiver with a window, every byte consumed in steps: the sender can always go on, the receiver never
    /// holds more than the window, and never gets more than it granted.
    #[test]
    fn a_stream_flows_through(
        size in 1_u32..5_000,
        steps in prop::collection::vec((1_usize..3_000, 1_usize..3_000), 1..20),
    ) {
        let (mut window, mut grant) = (Window::new(size), Grant::new(size));
        let (mut left, mut held) = (50_000_usize, 0);
        for (send, consume) in steps.iter().cycle() {
            let sent = (*send).min(left).min(window.available());
            window.take(sent);
            prop_assert_eq!(grant.received(sent), Ok(()));
            left -= sent;
            held += sent;
            prop_assert!(held <= size as usize);
            let consumed = (*consume).min(held);
            held -= consumed;
            if let Some(credit) = grant.consumed(consumed) {
                prop_assert!(credit >= size.div_ceil(2));
                prop_assert_eq!(window.add(credit), Ok(()));
            }
            prop_assert!(sent + consumed > 0 || left + held == 0, "stuck with {} left", left);
            if left + held == 0 {
                break;
            }
        }
    }
}

#[test]
fn credit_comes_back_by_halves() {
    let mut grant = Grant::new(100);
    grant.received(100).unwrap();
    assert_eq!(grant.consumed(0), None);
    assert_eq!(grant.consumed(49), None);
    assert_eq!(grant.consumed(1), Some(50));
    assert_eq!(
        grant.received(51),
        Err(ProtocolError::CreditExceeded {
            len: 51,
            credit: 50
        })
    );
    assert_eq!(grant.received(50), Ok(()));
}

#[test]
fn no_credit_no_bytes() {
    let mut grant = Grant::new(10);
    assert_eq!(
        grant.received(11),
        Err(ProtocolError::CreditExceeded {
            len: 11,
            credit: 10
        })
    );
    assert_eq!(grant.received(10), Ok(()));
    assert_eq!(
        grant.received(1),
        Err(ProtocolError::CreditExceeded { len: 1, credit: 0 })
    );
}

#[test]
fn a_window_has_an_end() {
    let mut window = Window::new(MAX_WINDOW - 1);
    assert_eq!(window.add(2), Err(ProtocolError::CreditOverflow));
    assert_eq!(window.add(u32::MAX), Err(ProtocolError::CreditOverflow));
    assert_eq!(window.available(), (MAX_WINDOW - 1) as usize);
    assert_eq!(window.add(1), Ok(()));
    window.take(MAX_WINDOW as usize);
    assert_eq!(window.available(), 0);
}
