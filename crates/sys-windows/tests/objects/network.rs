//! The filtering platform and the firewall.

use std::ffi::OsStr;

use ringfence_sys_windows::firewall::{Direction, Firewall, Rule};
use ringfence_sys_windows::token::{Token, access};
use ringfence_sys_windows::wfp::{
    Action, Condition, Engine, Filter, Guid, Layer, Provider, SubLayer,
};
use ringfence_sys_windows::{SysError, random, sddl};

use crate::needs;
use crate::support::unique;

const USER: &str = "O:LSD:(A;;CC;;;S-1-5-21-1-2-3-4)";

fn guid() -> Guid {
    let mut bytes = [0; 16];
    random::fill(&mut bytes).unwrap();
    Guid(u128::from_le_bytes(bytes))
}

fn is_administrator() -> bool {
    let elevated = Token::own(access::QUERY).unwrap().is_elevated().unwrap();
    if !elevated {
        println!("skipped: needs administrator");
    }
    elevated
}

#[test]
fn filters_of_a_user_are_added_found_and_deleted_together() {
    if !needs::real_windows("there is no filtering platform") {
        assert!(Engine::open().is_err());
        return;
    }
    if !is_administrator() {
        return;
    }
    let engine = Engine::open().unwrap();
    let (provider, sublayer) = (guid(), guid());
    let keys: Vec<Guid> = Layer::ALL.iter().map(|_| guid()).collect();
    let name = OsStr::new("of a test");
    let user = sddl::parse(USER).unwrap();
    let block = [Condition::User(user.clone())];
    let make = |engine: &Engine| {
        engine.add_provider(&Provider {
            key: provider,
            name,
            persistent: false,
        })?;
        engine.add_sublayer(&SubLayer {
            key: sublayer,
            provider,
            name,
            weight: 0x8000,
            persistent: false,
        })?;
        let filter = |layer, key, weight, action, conditions| {
            engine.add_filter(&Filter {
                key,
                provider,
                sublayer,
                layer,
                weight,
                action,
                conditions,
                name,
                persistent: false,
            })
        };
        for (layer, key) in Layer::ALL.into_iter().zip(&keys) {
            filter(layer, *key, 1, Action::Block, &block)?;
        }
        let permit = [
            block[0].clone(),
            Condition::Loopback,
            Condition::RemotePorts(60_080, 60_089),
            Condition::Protocol(6),
        ];
        filter(Layer::ConnectV4, guid(), 2, Action::Permit, &permit)
    };
    // What is taken back leaves nothing.
    let failed = engine.transaction(|engine| {
        make(engine)?;
        Err::<(), SysError>(SysError::win32("test", 1))
    });
    assert_eq!(failed.unwrap_err().call, "test");
    assert!(!engine.has_provider(provider).unwrap());
    engine.transaction(make).unwrap();
    assert!(engine.has_provider(provider).unwrap());
    assert!(engine.has_sublayer(sublayer).unwrap());
    let found = engine.filter(keys[0]).unwrap().unwrap();
    assert_eq!(
        (found.layer, found.action),
        (Some(Layer::ConnectV4), Some(Action::Block))
    );
    assert_eq!(found.user, Some(user));
    assert!(!found.persistent);
    let mut all = engine.filters_of(provider).unwrap();
    assert_eq!(all.len(), 7);
    all.retain(|found| found.action == Some(Action::Permit));
    assert_eq!((all.len(), all[0].conditions), (1, 4));
    engine
        .transaction(|engine| {
            for found in engine.filters_of(provider)? {
                assert!(engine.delete_filter(found.key)?);
            }
            engine.delete_sublayer(sublayer)?;
            engine.delete_provider(provider)
        })
        .unwrap();
    assert_eq!(engine.filter(keys[0]).unwrap(), None);
    assert!(!engine.delete_filter(keys[0]).unwrap());
    assert!(!engine.has_sublayer(sublayer).unwrap());
}

#[test]
fn a_rule_of_the_firewall_is_added_found_and_removed() {
    let name = unique("rule");
    let rule = Rule {
        name: &name,
        description: OsStr::new("of a test"),
        group: OsStr::new("tests"),
        direction: Direction::Out,
        users: OsStr::new(USER),
    };
    if !needs::real_windows("the firewall takes rules and keeps none") {
        let firewall = Firewall::open().unwrap();
        // That it cannot be added for one user, or is not found afterwards, is seen.
        let added = firewall.add(&rule);
        let found = firewall.rule(&name).unwrap_or_default();
        assert!(added.is_err() || found.is_none());
        assert_eq!(firewall.count().unwrap_or_default(), 0);
        return;
    }
    let firewall = Firewall::open().unwrap();
    firewall.effect().unwrap();
    assert_eq!(firewall.rule(&name).unwrap(), None);
    if !is_administrator() {
        assert!(firewall.add(&rule).is_err());
        return;
    }
    let before = firewall.count().unwrap();
    firewall.add(&rule).unwrap();
    let found = firewall.rule(&name).unwrap().unwrap();
    assert!(found.enabled && found.blocks && found.all_profiles);
    assert_eq!(found.direction, Some(Direction::Out));
    assert_eq!(found.users, USER);
    assert_eq!(firewall.count().unwrap(), before + 1);
    firewall.remove(&name).unwrap();
    assert_eq!(firewall.rule(&name).unwrap(), None);
}
