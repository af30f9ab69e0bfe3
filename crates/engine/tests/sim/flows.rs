//! Flows drawn at random, of all kinds of flowlets, so that each of them can be published.

use crate::dice::Dice;

/// The flows of a schedule, as YAML. A flow calls those before it; their permanent ids are `flow-0`, `flow-1` …
pub(crate) fn draw(dice: &mut Dice) -> Vec<String> {
    let count = dice.within(1, 3);
    (0..count).map(|number| draw_one(&mut dice.fork(), number)).collect()
}

fn draw_one(dice: &mut Dice, number: u64) -> String {
    let mut text = format!("name: Flow {number}\n");
    if dice.chance(40) {
        let key = if dice.chance(50) { ", key: \"{{ $prev.args.who }}\"" } else { "" };
        let on_limit = if dice.chance(25) { ", onLimit: reject" } else { "" };
        text.push_str(&format!("concurrency: {{limit: {}{key}{on_limit}}}\n", dice.within(1, 2)));
    }
    if dice.chance(20) {
        text.push_str(&format!("timeout: {}\n", dice.within(20, 600)));
    }
    let mut draft = Draft { dice, flow: number, index: 0, count: 0, layers: Vec::new(), readable: Vec::new() };
    if draft.dice.chance(30) {
        draft.graph();
    } else {
        draft.stages(0);
    }
    text.push_str("layers:\n");
    for layer in draft.layers {
        text.push_str(&format!("  - {layer}\n"));
    }
    text
}

struct Draft<'a> {
    dice: &'a mut Dice,
    flow: u64,
    index: u32,
    count: u32,
    layers: Vec<String>,
    /// What may be read where the draft stands: a ref, and a field of its output.
    readable: Vec<(String, &'static str)>,
}

impl Draft<'_> {
    fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}{}", self.count)
    }

    /// Flowlets ordered by index: groups side by side, loops, branches.
    fn stages(&mut self, depth: u32) {
        let stages = self.dice.within(1, if depth == 0 { 3 } else { 2 });
        for stage in 0..stages {
            match self.dice.below(10) {
                0..=2 if depth < 2 => self.closed_loop(depth),
                3 if depth == 0 && stage + 1 == stages && stage > 0 => self.open_loop(),
                4 => self.branches(depth),
                _ => self.group(depth, None),
            }
        }
    }

    fn group(&mut self, depth: u32, branch: Option<&str>) {
        let mut given = Vec::new();
        for at in 0..self.dice.within(1, 3) {
            let (name, field, mut layer) = self.step(depth);
            layer.push_str(&format!(", index: {}", self.index));
            if let Some(router) = branch {
                layer.push_str(&format!(", branch: {{router: {router}, label: {}}}", ["x", "y"][at as usize % 2]));
            }
            self.layers.push(format!("{{{layer}}}"));
            given.extend(field.map(|field| (name, field)));
        }
        self.readable.extend(given);
        self.index += 1;
    }

    fn branches(&mut self, depth: u32) {
        let router = self.name("router");
        let routes = r#"[{label: x, condition: "{{ $prev.args.n > 3 }}"}, {label: y, condition: true}]"#;
        self.layers
            .push(format!("{{ref: {router}, appId: router, index: {}, args: {{routes: {routes}}}}}", self.index));
        self.index += 1;
        self.group(depth, Some(&router));
    }

    fn iterator(&mut self, depth: u32) {
        let name = self.name("each");
        // Now and then so many rounds that the state is written down on the way.
        let is_long = depth == 0 && self.dice.chance(2);
        let rounds = if is_long { self.dice.within(80, 130) } else { self.dice.within(0, 4) };
        let items: Vec<String> = (0..rounds).map(|item| item.to_string()).collect();
        let batch = if self.dice.chance(15) { ", batchSize: 2" } else { "" };
        let parallel = self.dice.within(1, 4);
        self.layers.push(format!(
            "{{ref: {name}, appId: iterator, index: {}, args: {{items: [{}], parallel: {parallel}{batch}}}}}",
            self.index,
            items.join(", ")
        ));
        self.index += 1;
    }

    fn closed_loop(&mut self, depth: u32) {
        let before = self.readable.clone();
        self.iterator(depth);
        self.stages(depth + 1);
        let mark = self.name("mark");
        let (app, args, field) = match self.dice.below(3) {
            0 => ("look", self.peer_args(&mark, "{{ $index }}"), "data"),
            _ => ("var", "{value: \"{{ $index }}\"}".to_owned(), "value"),
        };
        let tolerant = if app == "look" { ", onError: continue, timeout: 20" } else { "" };
        self.layers.push(format!("{{ref: {mark}, appId: {app}, index: {}, args: {args}{tolerant}}}", self.index));
        self.index += 1;
        let all = self.name("all");
        self.layers.push(format!(
            "{{ref: {all}, appId: aggregator, index: {}, args: {{sourceRef: {mark}, field: {field}}}}}",
            self.index
        ));
        self.index += 1;
        self.readable = before;
        self.readable.push((all, "count"));
    }

    /// A loop that goes to the end of the flow.
    fn open_loop(&mut self) {
        self.iterator(0);
        self.group(1, None);
    }

    /// Flowlets that name what they wait for.
    fn graph(&mut self) {
        let mut before: Vec<(String, Option<&'static str>)> = Vec::new();
        for _ in 0..self.dice.within(2, 7) {
            let mut deps: Vec<(String, Option<&'static str>)> = Vec::new();
            for dep in &before {
                if self.dice.chance(40) {
                    deps.push(dep.clone());
                }
            }
            self.readable = deps.iter().filter_map(|(name, field)| Some((name.clone(), (*field)?))).collect();
            let (name, field, mut layer) = self.step(0);
            if !deps.is_empty() {
                let names: Vec<&str> = deps.iter().map(|(name, _)| name.as_str()).collect();
                layer.push_str(&format!(", dependsOn: [{}]", names.join(", ")));
            }
            self.layers.push(format!("{{{layer}}}"));
            before.push((name, field));
        }
    }

    /// An expression over what may be read.
    fn value(&mut self, depth: u32) -> String {
        match self.dice.below(9) {
            0 => "{{ $prev.args.n }}".into(),
            1 => "{{ uuid }} {{ $date.now }}".into(),
            2 => "{{ $kv.count ?? 0 }}".into(),
            3 if depth > 0 => "{{ $item }}".into(),
            4 => "{{ repeat 3000 'xy' }}".into(),
            // Fails for some arguments.
            5 => "{{ 12 / ($prev.args.n - 2) }}".into(),
            _ => match self.readable.last() {
                Some(_) => {
                    let (name, field) = self.dice.pick(&self.readable).clone();
                    format!("{{{{ $prev.{name}.{field} ?? 'none' }}}}")
                }
                None => "fixed".into(),
            },
        }
    }

    fn peer_args(&self, name: &str, data: &str) -> String {
        format!("{{name: {}.{name}, data: \"{data}\"}}", self.flow)
    }

    /// A flowlet without its place: its ref, a field of its output, and its text.
    fn step(&mut self, depth: u32) -> (String, Option<&'static str>, String) {
        let roll = self.dice.below(100);
        let (kind, app, args, field) = match roll {
            0..=34 => {
                let app = *self.dice.pick(&["call", "call", "put", "look"]);
                let name = self.name(app);
                let data = self.value(depth);
                let args = self.peer_args(&name, &data);
                return self.finish(name, app, &args, Some("data"));
            }
            35..=49 => ("value", "var", format!("{{value: \"{}\"}}", self.value(depth)), Some("value")),
            50..=61 => ("count", "kv-increment", "{key: count, scope: global}".into(), Some("value")),
            62..=66 => ("list", "kv-append", "{key: list, scope: global, value: 1}".into(), Some("count")),
            67..=69 => {
                let value = *self.dice.pick(&["1", "word"]);
                ("mix", "kv-set", format!("{{key: mixed, scope: global, value: {value}}}"), None)
            }
            70..=72 => ("mixed", "kv-increment", "{key: mixed, scope: global}".into(), Some("value")),
            73..=79 => ("wait", "delay", format!("{{seconds: {}}}", self.dice.below(100)), None),
            80..=87 => {
                let timeout = if self.dice.chance(50) {
                    format!(", timeout: {}", self.dice.within(1, 200))
                } else {
                    String::new()
                };
                ("event", "wait-event", format!("{{key: e{}{timeout}}}", self.dice.below(3)), Some("data"))
            }
            88..=95 if self.flow > 0 => {
                let callee = self.dice.below(self.flow);
                let how = match self.dice.below(4) {
                    0 => ", async: true".to_owned(),
                    1 => format!(", timeout: {}", self.dice.within(1, 300)),
                    _ => String::new(),
                };
                let args = format!(
                    "{{flowId: flow-{callee}, args: {{n: \"{{{{ $prev.args.n }}}}\", who: \"{{{{ $prev.args.who }}}}\"}}{how}}}"
                );
                ("sub", "subflow", args, Some("playId"))
            }
            96 => ("end", "end", "{}".into(), None),
            97 => ("fail", "fail", "{message: enough}".into(), None),
            98 => ("answer", "respond", "{}".into(), None),
            _ => ("log", "log", "{message: hello}".into(), None),
        };
        let name = self.name(kind);
        self.finish(name, app, &args, field)
    }

    /// Adds the policies that a flowlet may carry.
    fn finish(
        &mut self,
        name: String,
        app: &str,
        args: &str,
        field: Option<&'static str>,
    ) -> (String, Option<&'static str>, String) {
        let mut layer = format!("ref: {name}, appId: {app}, args: {args}");
        let is_effect = matches!(app, "call" | "put" | "look");
        if self.dice.chance(30) {
            let retry = self.retry();
            layer.push_str(&format!(", retry: {retry}"));
        }
        if self.dice.chance(35) {
            layer.push_str(&format!(", onError: {}", self.dice.pick(&["continue", "skip"])));
        }
        if self.dice.chance(8) {
            let terms =
                *self.dice.pick(&["true", "{quorum: 2}", "{expiresIn: 50, onExpire: approved}", "{expiresIn: 50}"]);
            layer.push_str(&format!(", needsApproval: {terms}"));
        }
        if self.dice.chance(10) {
            layer.push_str(", filters: [{leftValue: \"{{ $prev.args.n }}\", operator: gt, rightValue: 2}]");
        }
        if is_effect {
            if let Some(doubt) = self.doubt() {
                layer.push_str(&doubt);
            }
            if self.dice.chance(50) {
                layer.push_str(&format!(", timeout: {}", self.dice.within(1, 60)));
            }
            if self.dice.chance(5) {
                layer.push_str(", sensitive: {args: [/data], out: [/data]}");
            }
        }
        if self.dice.chance(if is_effect { 40 } else { 10 }) {
            let undo = self.undo(&name);
            layer.push_str(&undo);
        }
        (name, field, layer)
    }

    fn retry(&mut self) -> String {
        format!(
            "{{count: {}, delayMs: {}, jitter: {}}}",
            self.dice.within(1, 3),
            self.dice.pick(&[0, 10, 700, 5_000]),
            self.dice.chance(50)
        )
    }

    fn doubt(&mut self) -> Option<String> {
        Some(match self.dice.below(10) {
            0 => ", inDoubt: repeat".into(),
            1 => ", inDoubt: ask".into(),
            2 => ", inDoubt: fail".into(),
            3 => ", inDoubt: {policy: ask, expiresIn: 100}".into(),
            4 => ", idempotent: true".into(),
            _ => return None,
        })
    }

    fn undo(&mut self, name: &str) -> String {
        let (app, args) = match self.dice.below(6) {
            0 => ("kv-increment", "{key: count, scope: global}".to_owned()),
            1 => ("var", format!("{{value: \"undo {name} {{{{ $prev.args.n }}}}\"}}")),
            2 | 3 => ("put", self.peer_args(&format!("undo-{name}"), "x")),
            _ => ("call", self.peer_args(&format!("undo-{name}"), "{{ $prev.args.who }}")),
        };
        let retry = if self.dice.chance(50) { format!(", retry: {}", self.retry()) } else { String::new() };
        let timeout = if self.dice.chance(50) { ", timeout: 30" } else { "" };
        let doubt = if matches!(app, "put" | "call") { self.doubt().unwrap_or_default() } else { String::new() };
        format!(", compensate: {{appId: {app}, args: {args}{retry}{timeout}{doubt}}}")
    }
}
