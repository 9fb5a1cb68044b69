// rust_threads: std threads, channels, mutexes, scoped borrows, a panic that is
// caught at the join.
//
// output: sum 4950, counted 400, panicked: true\n
use std::sync::{mpsc, Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

fn main() {
    let (tx, rx) = mpsc::channel();
    for part in 0..10 {
        let tx = tx.clone();
        thread::spawn(move || {
            for i in part * 10..part * 10 + 10 {
                tx.send(i).unwrap(); // MARK send
            }
        });
    }
    drop(tx);
    let sum: u32 = rx.iter().sum();

    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                for _ in 0..100 {
                    *pair.0.lock().unwrap() += 1; // MARK count
                    pair.1.notify_one();
                }
            })
        })
        .collect();
    let mut n = pair.0.lock().unwrap();
    while *n < 400 {
        n = pair.1.wait_timeout(n, Duration::from_millis(5)).unwrap().0;
    }
    let counted = *n;
    drop(n);
    for h in handles {
        h.join().unwrap();
    }

    let mut v = vec![3, 1, 2];
    thread::scope(|s| {
        s.spawn(|| v.sort());
    });
    assert_eq!(v, [1, 2, 3]);
    let panicked = thread::spawn(|| {
        let v: Vec<i32> = Vec::new();
        v[v.len()] // MARK panic
    })
    .join()
    .is_err();
    println!("sum {sum}, counted {counted}, panicked: {panicked}");
}
