//! The flows: twenty steps of every kind, and a child. Their arguments are such as a channel gives.

/// The child: one call of its own.
pub(crate) const CHILD: &str = r#"
apiVersion: flow8/v1
kind: Flow
name: Crash child
layers:
  - ref: call
    appId: curl
    inDoubt: repeat
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s15-child"}
  - {ref: told, appId: var, index: 1, args: {value: "{{ $prev.call.body.done }}"}}
"#;

/// The steps that call, in the order in which they must. The second word is the policy.
pub(crate) const CALLS: [(&str, &str); 10] = [
    ("s01-repeat", "repeat"),
    ("s03-put", "repeat"),
    ("s05-ask", "ask"),
    ("s07-repeat", "repeat"),
    ("s10-ask", "ask"),
    ("s13-repeat", "repeat"),
    ("s15-child", "repeat"),
    ("s17-get", "repeat"),
    ("s18-idempotent", "repeat"),
    ("s20-fail", "fail"),
];

/// Twenty steps: pure ones, calls of every policy, key/values, a timer, an approval, a subflow,
/// and a loop that is long enough for the state to be written down.
pub(crate) const FLOW: &str = r#"
apiVersion: flow8/v1
kind: Flow
name: Crash
layers:
  - ref: s01
    appId: curl
    inDoubt: repeat
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s01-repeat", body: {n: 1}}
  - {ref: s02, index: 1, appId: var, args: {value: "{{ $prev.s01.body.done }}"}}
  - {ref: s03, index: 2, appId: curl, args: {method: PUT, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s03-put"}}
  - {ref: s04, index: 3, appId: kv-increment, args: {key: plays, scope: global}}
  - ref: s05
    index: 4
    appId: curl
    inDoubt: ask
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s05-ask"}
  - {ref: s06, index: 5, appId: delay, args: {seconds: 0.05}}
  - ref: s07
    index: 6
    appId: curl
    inDoubt: repeat
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s07-repeat"}
  - ref: s08
    index: 7
    appId: var
    needsApproval: {roles: [approver, owner]}
    args: {value: approved}
  - {ref: s09, index: 8, appId: template, args: {template: "{{ .a }}", data: {a: "{{ $prev.s08.value }}"}}}
  - ref: s10
    index: 9
    appId: curl
    inDoubt: ask
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s10-ask"}
  - {ref: items, index: 10, appId: enumeration, args: {from: 1, to: 400}}
  - {ref: s11, index: 11, appId: iterator, args: {items: "{{ $prev.items.items }}"}}
  - {ref: each, index: 12, appId: var, args: {value: "{{ $item * 2 }}"}}
  - {ref: s12, index: 13, appId: aggregator, args: {sourceRef: each, field: value}}
  - ref: s13
    index: 14
    appId: curl
    inDoubt: repeat
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s13-repeat", body: {sum: "{{ sum $prev.s12.items }}"}}
  - {ref: s14, index: 15, appId: kv-append, args: {key: names, scope: global, value: "{{ $prev.args.body.name }}"}}
  - ref: s15
    index: 16
    appId: subflow
    args: {flowId: crash-child, args: {body: "{{ $prev.args.body }}"}}
  - {ref: s16, index: 17, appId: var, args: {value: "{{ $prev.s15.out.value }}"}}
  - {ref: s17, index: 18, appId: curl, args: {method: GET, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s17-get"}}
  - ref: s18
    index: 19
    appId: curl
    idempotent: true
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s18-idempotent"}
  - {ref: s19, index: 20, appId: var, args: {value: "{{ $prev.s18.body.done }}"}}
  - ref: s20
    index: 21
    appId: curl
    inDoubt: fail
    args: {method: POST, url: "{{ $prev.args.body.peer }}/{{ $prev.args.body.name }}/s20-fail"}
  - {ref: end, index: 22, appId: var, args: {value: {sum: "{{ sum $prev.s12.items }}", child: "{{ $prev.s16.value }}"}}}
"#;
