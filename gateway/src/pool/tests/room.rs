//! Who gets room in a worker, who waits, and when a worker is given up or closed.

use super::fake::Said;
use super::*;

#[tokio::test]
async fn a_request_that_runs_too_long_condemns_the_worker() {
    let limit = Duration::from_millis(50);
    let config = config::Pool {
        request_timeout: limit,
        ..config()
    };
    let (mut bench, mut fake) = Bench::start(&config).await;
    let call = bench.get("/slow");
    let id = fake.hear_get().await;
    let late = error(call.await.unwrap());
    assert!(matches!(late, Error::RequestTimeout(told) if told == limit));
    assert_eq!(fake.hear().await, Said::Abort { id });
    assert_eq!(
        bench.events.recv().await,
        Some(Event::Condemned(WorkerId(0)))
    );

    // What the supervisor does with it. A late END_REQUEST is no reason to wait.
    bench.worker.retire("age");
    assert_eq!(bench.events.recv().await, Some(Event::Idle(WorkerId(0))));
    assert!(!bench.worker.has_room(0));
    fake.end(id).await;
}

#[tokio::test]
async fn a_condemned_worker_is_idle_when_the_innocent_have_gone() {
    let config = config::Pool {
        request_timeout: Duration::from_millis(300),
        ..config()
    };
    let (mut bench, mut fake) = Bench::start(&config).await;
    let slow = bench.get("/slow");
    let slow_id = fake.hear_get().await;
    assert_eq!(fake.hear().await, Said::Abort { id: slow_id });
    assert_eq!(
        bench.events.recv().await,
        Some(Event::Condemned(WorkerId(0)))
    );
    // In the moment before the supervisor hears of it.
    let innocent = bench.get("/innocent");
    let innocent_id = fake.hear_get().await;
    bench.worker.retire("age");
    assert!(bench.events.try_recv().is_err());
    fake.answer_whole(innocent_id, "ok").await;
    assert_eq!(text(response(innocent.await.unwrap())).await, "ok");
    assert_eq!(bench.events.recv().await, Some(Event::Idle(WorkerId(0))));
    assert!(matches!(
        error(slow.await.unwrap()),
        Error::RequestTimeout(_)
    ));
}

#[tokio::test]
async fn without_room_requests_wait_in_order_and_within_bounds() {
    let config = config::Pool {
        concurrency: 1,
        queue_length: 2,
        ..config()
    };
    let (bench, mut fake) = Bench::start(&config).await;
    let calls: Vec<_> = (0..4).map(|_| bench.get("/")).collect();
    let mut calls = calls.into_iter();
    let [first, second, third, fourth] = [(); 4].map(|()| calls.next().unwrap());
    assert!(matches!(error(fourth.await.unwrap()), Error::Overloaded(_)));
    second.abort();
    let _ = second.await;
    let id = fake.hear_get().await;
    fake.answer_whole(id, "one").await;
    assert_eq!(text(response(first.await.unwrap())).await, "one");
    let id = fake.hear_get().await;
    fake.answer_whole(id, "three").await;
    assert_eq!(text(response(third.await.unwrap())).await, "three");
    assert_eq!(bench.worker.taken(), 0);
}

#[tokio::test]
async fn waiting_has_its_time() {
    let config = config::Pool {
        concurrency: 1,
        queue_timeout: Duration::from_millis(20),
        ..config()
    };
    let (bench, mut fake) = Bench::start(&config).await;
    let _first = bench.get("/");
    let _ = fake.hear_get().await;
    let late = error(bench.get("/").await.unwrap());
    assert!(matches!(late, Error::Overloaded(reason) if reason.contains("20ms")));
}

#[tokio::test]
async fn a_pool_that_cannot_start_or_stops_says_so_to_those_who_wait() {
    let config = config::Pool {
        concurrency: 1,
        ..config()
    };
    let (bench, mut fake) = Bench::start(&config).await;
    let _first = bench.get("/");
    let _ = fake.hear_get().await;
    let waiting = bench.get("/");
    while bench.pool.queue.is_empty() {
        tokio::task::yield_now().await;
    }
    bench.pool.publish(Roster {
        failure: Some(Failure {
            kind: FailureKind::NotStarted,
            reason: "no such symbol".into(),
        }),
        ..Roster::default()
    });
    let told = error(waiting.await.unwrap());
    assert!(matches!(told, Error::CannotStart(reason) if reason == "no such symbol"));
    bench.pool.publish(Roster {
        stopping: true,
        ..Roster::default()
    });
    assert!(matches!(
        error(bench.get("/").await.unwrap()),
        Error::Stopping
    ));
}

#[tokio::test]
async fn a_worker_that_does_not_read_gets_no_more_requests() {
    let config = config::Pool {
        concurrency: 1000,
        ..config()
    };
    let (bench, mut fake) = Bench::start(&config).await;
    // Nothing is read at the other end, so the socket fills up, then the lane.
    let mut calls = Vec::new();
    while bench.worker.has_room(0) && calls.len() < 900 {
        let body = body::full(vec![b'a'; 4096]);
        calls.push(bench.call(request(Method::POST, "/", body)));
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    assert!(calls.len() < 900, "the lane is never congested");
    let waiting = bench.get("/waits");
    while bench.pool.queue.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut requests = 0;
    let id = loop {
        if let Said::Request { id, .. } | Said::WholeRequest { id, .. } = fake.hear().await {
            requests += 1;
            if requests == calls.len() + 1 {
                break id;
            }
        }
    };
    fake.answer_whole(id, "at last").await;
    assert_eq!(text(response(waiting.await.unwrap())).await, "at last");
}

#[tokio::test]
async fn closing_ends_the_sending_side_after_what_was_to_be_sent() {
    let (mut bench, mut fake) = Bench::start(&config()).await;
    let call = bench.get("/");
    let id = fake.hear_get().await;
    bench.worker.retire("age");
    assert!(bench.events.try_recv().is_err());
    fake.answer_whole(id, "last").await;
    assert_eq!(text(response(call.await.unwrap())).await, "last");
    assert_eq!(bench.events.recv().await, Some(Event::Idle(WorkerId(0))));
    bench.worker.lanes[0].close();
    assert_eq!(fake.hear().await, Said::Closed);
    drop(fake);
    assert_eq!(bench.driver.await.unwrap(), None);
}

#[tokio::test]
async fn the_status_waits_for_a_lane_and_holds_up_nobody() {
    let (bench, _fake) = Bench::start(&config()).await;
    let roster = Roster {
        ready: vec![bench.worker.clone()],
        members: vec![Member {
            worker: bench.worker.clone(),
            phase: state::Phase::Ready { expires: None },
            generation: 0,
        }],
        ..Roster::default()
    };
    bench.pool.publish(roster.clone());
    let (published, done) = std::sync::mpsc::channel();
    let pool = &bench.pool;
    std::thread::scope(|scope| {
        let receiving = bench.worker.lanes[0].receiving();
        let status = scope.spawn(|| pool.status());
        scope.spawn(move || {
            for _ in 0..100 {
                pool.publish(roster.clone());
                std::thread::yield_now();
            }
            published.send(())
        });
        let is_free = done.recv_timeout(Duration::from_secs(60));
        drop(receiving);
        assert_eq!(is_free, Ok(()));
        assert_eq!(status.join().unwrap().workers.len(), 1);
    });
}
