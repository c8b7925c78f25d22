//! The fence holds, and each planted mistake is seen: by what it lets through, and on reading it back.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::evaluate::{Direction, Flow, Token, comes_through, decide};
use super::*;

const OFFLINE: &str = "S-1-5-21-11-22-33-1007";
const OTHER: &str = "S-1-5-21-11-22-33-1001";
const FIRST: u16 = 60_080;
const LAST: u16 = 60_089;

fn fence() -> Fence {
    Fence::offline(&Account::new(OFFLINE).unwrap(), FIRST..=LAST).unwrap()
}

fn token(sids: &[&str]) -> Token {
    Token {
        sids: sids.iter().map(|sid| (*sid).to_owned()).collect(),
        restricting: None,
    }
}

fn offline() -> Token {
    Token {
        restricting: Some(vec![
            OFFLINE.to_owned(),
            "S-1-5-21-7-7-7-4000000000".to_owned(),
        ]),
        ..token(&[OFFLINE, "S-1-1-0", "S-1-5-32-545"])
    }
}

/// The promise, said without the filters.
fn is_the_proxy(flow: &Flow) -> bool {
    let loopback = ["127.0.0.1", "::1", "::ffff:127.0.0.1"];
    flow.direction == Direction::Out
        && loopback.contains(&flow.remote.to_string().as_str())
        && flow.protocol == 6
        && !flow.raw
        && (FIRST..=LAST).contains(&flow.port)
}

/// Attempts at and beside every edge there is.
fn edges() -> Vec<Flow> {
    let mut flows = Vec::new();
    let remotes = [
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.255",
        "0.0.0.0",
        "10.0.0.1",
        "192.168.1.1",
        "8.8.8.8",
        "255.255.255.255",
        "::1",
        "::",
        "::2",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "fe80::1",
        "2001:4860:4860::8888",
        "ff02::1",
    ];
    for remote in remotes {
        for port in [
            0,
            53,
            80,
            443,
            445,
            FIRST - 1,
            FIRST,
            FIRST + 4,
            LAST,
            LAST + 1,
            65_535,
        ] {
            for protocol in [0, 1, 5, 6, 7, 16, 17, 18, 47, 58, 255] {
                for raw in [false, true] {
                    for direction in [Direction::Out, Direction::In] {
                        flows.push(Flow {
                            direction,
                            remote: remote.parse().unwrap(),
                            port,
                            protocol,
                            raw,
                        });
                    }
                }
            }
        }
    }
    flows
}

/// The first attempt that goes another way than it should.
fn leak(filters: &[Filter], token: &Token) -> Option<Flow> {
    edges()
        .into_iter()
        .find(|flow| comes_through(filters, flow, token) != is_the_proxy(flow))
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let direction = prop_oneof![Just(Direction::Out), Just(Direction::In)];
    let remote = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        Just(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Just(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let port = prop_oneof![any::<u16>(), FIRST - 3..=LAST + 3];
    let protocol = prop_oneof![any::<u8>(), Just(6)];
    (direction, remote, port, protocol, any::<bool>()).prop_map(
        |(direction, remote, port, protocol, raw)| Flow {
            direction,
            remote,
            port,
            protocol,
            raw,
        },
    )
}

proptest! {
    #[test]
    fn the_account_reaches_the_proxy_and_nothing_else(flow in any_flow()) {
        let fence = fence();
        prop_assert_eq!(comes_through(fence.filters(), &flow, &offline()), is_the_proxy(&flow));
        let plain = token(&[OFFLINE]);
        prop_assert_eq!(comes_through(fence.filters(), &flow, &plain), is_the_proxy(&flow));
    }

    #[test]
    fn others_are_let_alone(flow in any_flow()) {
        let fence = fence();
        prop_assert!(comes_through(fence.filters(), &flow, &token(&[OTHER, "S-1-1-0"])));
    }
}

#[test]
fn every_edge_is_as_it_should_be() {
    assert_eq!(leak(fence().filters(), &offline()), None);
    assert!(edges().iter().any(is_the_proxy));
}

/// What connects is stopped at the next layer as well; who only listens to a raw socket is stopped here.
#[test]
fn taking_a_port_is_left_to_tcp_and_udp() {
    for (remote, layer) in [
        ("8.8.8.8", Layer::ResourceV4),
        ("2001:db8::1", Layer::ResourceV6),
    ] {
        for protocol in 0..=u8::MAX {
            for raw in [false, true] {
                let flow = Flow {
                    direction: Direction::In,
                    remote: remote.parse().unwrap(),
                    port: 0,
                    protocol,
                    raw,
                };
                let expected = (raw || ![6, 17].contains(&protocol)).then_some(Action::Block);
                let decided = decide(fence().filters(), layer, &flow, &offline());
                assert_eq!(decided, expected, "{layer:?} {protocol} {raw}");
            }
        }
    }
}

/// Then it does not matter whether such are alternatives or must both hold.
#[test]
fn no_filter_has_two_conditions_on_one_field() {
    for filter in fence().filters() {
        let fields: BTreeSet<Guid> = filter.conditions.iter().map(Condition::field).collect();
        assert_eq!(fields.len(), filter.conditions.len(), "{}", filter.name);
    }
}

#[test]
fn two_accounts_have_fences_side_by_side() {
    let other = Fence::offline(&Account::new(OTHER).unwrap(), 60_090..=60_099).unwrap();
    let both = [fence().filters(), other.filters()].concat();
    assert_eq!(leak(&both, &offline()), None);
    let mut found = fence().items();
    found.extend(other.items());
    assert_eq!(fence().missing(&found), []);
    assert_eq!(other.missing(&found), []);
}

#[test]
fn guids_are_all_different_and_stay() {
    let other = Fence::offline(&Account::new(OTHER).unwrap(), FIRST..=LAST).unwrap();
    let mut keys: BTreeSet<Guid> = [PROVIDER, SUBLAYER].into();
    for filter in fence().filters().iter().chain(other.filters()) {
        assert!(keys.insert(filter.key), "{}", filter.name);
        assert!(filter.weight < 1 << 60);
        let permit = filter.action == Action::Permit;
        assert_eq!(filter.flags(), if permit { 1 } else { 9 });
    }
    assert_eq!(keys.len(), 30);
    // Once written on somebody's machine they have to be found again.
    assert_eq!(
        fence().filters()[0].key.to_string(),
        "{320a8696-f2f3-87ab-b6d1-ef9c4ffc09e7}"
    );
}

/// A mistake in a fence, by name.
type Mistake = (&'static str, fn(&mut Vec<Filter>));

const MISTAKES: [Mistake; 12] = [
    ("v6 left out", |filters| {
        filters.retain(|f| !f.name.ends_with("v6"));
    }),
    ("accepting left out", |filters| {
        filters.retain(|f| !f.name.contains("accepting"));
    }),
    (
        "other protocols and raw sockets left out, connecting too",
        |filters| {
            filters.retain(|f| !matches!(f.layer, Layer::ResourceV4 | Layer::ConnectV4));
        },
    ),
    ("weights swapped", |filters| {
        for filter in filters {
            filter.weight = PERMIT_WEIGHT + BLOCK_WEIGHT - filter.weight;
        }
    }),
    ("blocks that permit", |filters| {
        for filter in filters {
            filter.action = Action::Permit;
        }
    }),
    ("another account", |filters| {
        for filter in filters {
            filter.conditions[0] = Condition::User(Account::new(OTHER).unwrap().sddl());
        }
    }),
    ("everyone permitted to any port", |filters| {
        filters[0].conditions.clear();
    }),
    ("proxy without its address", |filters| {
        filters[0]
            .conditions
            .retain(|c| !matches!(c, Condition::RemoteAddress(_)));
    }),
    ("proxy without its protocol", |filters| {
        filters[0]
            .conditions
            .retain(|c| !matches!(c, Condition::Protocol(..)));
    }),
    ("proxy at one port more", |filters| {
        filters[0].conditions[3] = Condition::RemotePort(FIRST, LAST + 1);
    }),
    ("taking a port blocked whole", |filters| {
        for filter in filters.iter_mut().filter(|f| f.layer == Layer::ResourceV4) {
            filter.conditions.truncate(1);
        }
    }),
    ("a permit of somebody else's above", |filters| {
        let mut other = filters[1].clone();
        other.key = Guid::new(1);
        other.action = Action::Permit;
        other.weight = u64::MAX;
        filters.push(other);
    }),
];

#[test]
fn each_planted_mistake_shows_in_what_comes_through_and_on_reading_back() {
    for (name, mistake) in MISTAKES {
        let mut filters = fence().filters().to_vec();
        mistake(&mut filters);
        assert!(leak(&filters, &offline()).is_some(), "{name}");
        let mut found = fence().items();
        found.truncate(2);
        found.extend(filters.into_iter().map(Item::Filter));
        assert!(!fence().missing(&found).is_empty(), "{name}");
    }
}

/// Without its own SID among the restricting ones the account's token may match no filter at all.
#[test]
fn a_restricting_list_without_the_account_falls_through() {
    let mut careless = offline();
    careless.restricting = Some(vec!["S-1-5-21-7-7-7-4000000000".to_owned()]);
    assert!(leak(fence().filters(), &careless).is_some());
}

#[test]
fn what_is_read_back_is_held_against_what_should_be() {
    let fence = fence();
    let items = fence.items();
    assert_eq!(fence.missing(&items), []);
    assert_eq!(fence.missing(&[]).len(), items.len());
    for at in 0..items.len() {
        let mut less = items.clone();
        less.remove(at);
        assert!(
            matches!(&fence.missing(&less)[..], [Defect::Absent { .. }]),
            "{at}"
        );
    }
    let changed = |change: fn(&mut Filter)| {
        let mut items = items.clone();
        let Item::Filter(filter) = &mut items[3] else {
            panic!("not a filter");
        };
        change(filter);
        match &fence.missing(&items)[..] {
            [] => None,
            [Defect::Differs { part, .. }] => Some(*part),
            more => panic!("{more:?}"),
        }
    };
    assert_eq!(changed(|f| f.layer = Layer::AcceptV4), Some("layer"));
    assert_eq!(changed(|f| f.action = Action::Permit), Some("action"));
    assert_eq!(changed(|f| f.weight += 1), Some("weight"));
    assert_eq!(changed(|f| f.conditions.clear()), Some("condition"));
    assert_eq!(
        changed(|f| f.last_word = false),
        Some("right to decide last")
    );
    assert_eq!(changed(|f| f.persistent = false), Some("lifetime"));
    assert_eq!(changed(|f| f.name = "x".to_owned()), None);
    assert_eq!(changed(|f| f.conditions.reverse()), None);

    let mut odd = items.clone();
    odd[1] = Item::Sublayer {
        key: SUBLAYER,
        provider: Some(PROVIDER),
        weight: 1,
        persistent: true,
    };
    assert_eq!(
        fence.missing(&odd)[0].to_string(),
        format!("Ringfence's sublayer {SUBLAYER} is there with another weight")
    );
}

#[test]
fn ports_are_few_and_real() {
    let account = Account::new(OFFLINE).unwrap();
    for (first, last, good) in [
        (60_080, 60_089, true),
        (1, 64, true),
        (65_535, 65_535, true),
        (0, 5, false),
        (1, 65, false),
        (6, 5, false),
        (1, 65_535, false),
    ] {
        let made = Fence::offline(&account, first..=last);
        assert_eq!(made.is_ok(), good, "{first}..={last}");
    }
}
