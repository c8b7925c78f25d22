//! The classes of OCSF that are used, and what its numbers mean.

#[derive(Clone, Copy, PartialEq)]
pub(super) struct Class {
    pub(super) uid: u32,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
}

pub(super) const BASE: Class = Class {
    uid: 0,
    name: "Base Event",
    category: "Uncategorized",
};
pub(super) const FILE: Class = Class {
    uid: 1001,
    name: "File System Activity",
    category: "System Activity",
};
pub(super) const PROCESS: Class = Class {
    uid: 1007,
    name: "Process Activity",
    category: "System Activity",
};
pub(super) const LOG: Class = Class {
    uid: 1008,
    name: "Event Log Activity",
    category: "System Activity",
};
pub(super) const FINDING: Class = Class {
    uid: 2004,
    name: "Detection Finding",
    category: "Findings",
};
pub(super) const ENTITY: Class = Class {
    uid: 3004,
    name: "Entity Management",
    category: "Identity & Access Management",
};
pub(super) const LIFECYCLE: Class = Class {
    uid: 6002,
    name: "Application Lifecycle",
    category: "Application Activity",
};

// severity_id
pub(super) const UNKNOWN: u32 = 0;
pub(super) const INFORMATIONAL: u32 = 1;
pub(super) const LOW: u32 = 2;
pub(super) const MEDIUM: u32 = 3;
pub(super) const HIGH: u32 = 4;

// status_id, of a finding and of everything else
pub(super) const NEW: u32 = 1;
pub(super) const SUCCESS: u32 = 1;
pub(super) const FAILURE: u32 = 2;

// action_id and disposition_id
pub(super) const BLOCKED: (u32, u32) = (2, 2);
pub(super) const QUARANTINED: (u32, u32) = (2, 3);
pub(super) const UNCORRECTED: (u32, u32) = (1, 13);
pub(super) const DETECTED: (u32, u32) = (1, 15);
