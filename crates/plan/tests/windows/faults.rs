//! Plans that are wrong on purpose.

use ringfence_nt_access::{AceFlags, Effect, Kind, Mask, file_right, well_known};
use ringfence_plan::windows::{Facts, Plan};

/// What is wrong on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// What is protected is not.
    pub(super) no_guard: bool,
    /// It is, and what is in it is not.
    pub(super) guard_not_inherited: bool,
    /// Everybody is a restricting SID.
    pub(super) everyone: bool,
    /// The user is one.
    pub(super) the_user: bool,
    /// The grant has `FILE_DELETE_CHILD`.
    pub(super) delete_child: bool,
    /// Owners may change permissions.
    pub(super) no_owner_rights: bool,
    /// Directories inherit the grant, files do not.
    pub(super) containers_alone: bool,
    /// The grant is put on the user's profile.
    pub(super) on_the_profile: bool,
    /// The grant has `WRITE_DAC`.
    pub(super) write_dac: bool,
    /// A grant that is put there takes the place of one that was.
    pub(super) replaces: bool,
    /// Directories on the way to what is protected can be renamed.
    pub(super) no_pins: bool,
    /// Files with other names are granted like all.
    pub(super) links_forgotten: bool,
}

impl Faults {
    /// Each, by name, and whether it is one of the elevated ring.
    pub(super) fn all() -> Vec<(&'static str, Faults, bool)> {
        let none = Faults::default();
        vec![
            (
                "the protect deny is dropped",
                Faults {
                    no_guard: true,
                    ..none
                },
                false,
            ),
            (
                "the protect deny is dropped, elevated",
                Faults {
                    no_guard: true,
                    ..none
                },
                true,
            ),
            (
                "the protect deny is not inherited",
                Faults {
                    guard_not_inherited: true,
                    ..none
                },
                false,
            ),
            (
                "Everyone restricts",
                Faults {
                    everyone: true,
                    ..none
                },
                false,
            ),
            (
                "the user restricts",
                Faults {
                    the_user: true,
                    ..none
                },
                false,
            ),
            (
                "FILE_DELETE_CHILD is granted",
                Faults {
                    delete_child: true,
                    ..none
                },
                true,
            ),
            (
                "OWNER RIGHTS are forgotten",
                Faults {
                    no_owner_rights: true,
                    ..none
                },
                true,
            ),
            (
                "a wrong inheritance flag",
                Faults {
                    containers_alone: true,
                    ..none
                },
                false,
            ),
            (
                "the profile is granted",
                Faults {
                    on_the_profile: true,
                    ..none
                },
                false,
            ),
            (
                "WRITE_DAC is granted",
                Faults {
                    write_dac: true,
                    ..none
                },
                false,
            ),
            (
                "what was there is replaced",
                Faults {
                    replaces: true,
                    ..none
                },
                false,
            ),
            (
                "the way to what is protected can be renamed",
                Faults {
                    no_pins: true,
                    ..none
                },
                true,
            ),
            (
                "files with other names are granted",
                Faults {
                    links_forgotten: true,
                    ..none
                },
                false,
            ),
        ]
    }
}

/// Makes a plan wrong.
pub(super) fn wrong(plan: &mut Plan, faults: Faults, facts: &Facts) {
    if faults.everyone {
        plan.token.restrict.push(well_known::EVERYONE);
    }
    if faults.the_user {
        plan.token.restrict.push(facts.user.user);
    }
    for root in &mut plan.roots {
        if faults.no_guard {
            root.guards.clear();
        }
        for guard in &mut root.guards {
            if faults.guard_not_inherited {
                for ace in &mut guard.aces {
                    ace.flags = AceFlags::NONE;
                }
            }
        }
        if faults.no_pins {
            root.guards
                .retain(|guard| guard.aces.iter().all(|ace| ace.flags != AceFlags::NONE));
            root.own
                .retain(|ace| ace.kind == Kind::Basic(Effect::Allow));
        }
        if faults.no_owner_rights {
            root.own.retain(|ace| ace.sid != well_known::OWNER_RIGHTS);
        }
        for ace in &mut root.own {
            if ace.kind != Kind::Basic(Effect::Allow) || !ace.mask.has(file_right::WRITE_DATA) {
                continue;
            }
            if faults.delete_child {
                ace.mask |= file_right::DELETE_CHILD;
            }
            if faults.write_dac {
                ace.mask |= Mask::WRITE_DAC;
            }
            if faults.containers_alone {
                ace.flags = ace.flags.without(AceFlags::OBJECT_INHERIT);
            }
        }
        if faults.delete_child {
            root.own
                .retain(|ace| ace.kind == Kind::Basic(Effect::Allow));
            for guard in &mut root.guards {
                for ace in &mut guard.aces {
                    if ace.flags == AceFlags::NONE {
                        ace.mask = Mask::DELETE;
                    }
                }
            }
        }
    }
}
