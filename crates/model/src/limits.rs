//! Every bound that flow8 keeps, by name. Nothing in flow8 is unbounded.

use std::time::Duration;

/// How deep JSON may nest, on the way in and in any value that is stored.
pub const JSON_DEPTH: usize = 128;

/// Flowlets in one flow.
pub const LAYERS_PER_FLOW: usize = 1_000;

/// How deep loops may nest in a flow.
pub const LOOP_NESTING: usize = 16;

/// How deep plays may start plays that they wait for.
pub const SUBFLOW_DEPTH: u32 = 16;

/// Items of one loop.
pub const LOOP_ITEMS: usize = 100_000;

/// Items of one loop that may be in flight at once.
pub const LOOP_PARALLEL: u32 = 1_000;

/// Bytes of a play's arguments, as JSON.
pub const ARGS_BYTES: usize = 16 << 20;

/// Bytes of one output, as JSON.
pub const OUTPUT_BYTES: usize = 64 << 20;

/// A value larger than this leaves its record and is kept once, by its digest.
pub const INLINE_BYTES: usize = 4 << 10;

/// A value larger than this is kept as an object, not in the store.
pub const STORED_BYTES: usize = 256 << 10;

/// Records after which a play's state is written down, so that waking reads no more than this.
pub const SNAPSHOT_RECORDS: u64 = 256;

/// Records after which a play commits even where nothing asks for it, so that a batch stays small.
pub const BATCH_RECORDS: usize = 2_048;

/// Bytes of values after which a play commits even where nothing asks for it.
pub const BATCH_BYTES: usize = 4 << 20;

/// Steps that a play may take before it lets others run.
pub const STEPS_PER_TURN: usize = 256;

/// Rounds in which the arguments of one flowlet may ask for more facts.
pub const FACT_ROUNDS: u32 = 8;

/// Steps that one evaluation of expressions may take.
pub const EXPRESSION_STEPS: u64 = 100_000;

/// Bytes of text, lists and objects that one evaluation of expressions may build.
pub const EXPRESSION_BYTES: u64 = 64 << 20;

/// How deep an expression may nest.
pub const EXPRESSION_DEPTH: usize = 128;

/// Bytes of one expression's text.
pub const EXPRESSION_LENGTH: usize = 64 << 10;

/// Expressions in one value: the arguments of a flowlet, say.
pub const EXPRESSIONS: usize = 10_000;

/// Regular expressions that are written out in one value.
pub const PATTERNS: usize = 200;

/// Bytes that one compiled regular expression may take.
pub const PATTERN_BYTES: usize = 1 << 20;

/// How long one attempt may take where the flowlet does not say.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(300);

/// Attempts that may be repeated because the process ended, beyond what the flowlet's `retry` allows.
pub const INTERRUPTED_ATTEMPTS: u32 = 10;

/// How often a write that may have taken effect, and may be repeated, is repeated at least.
pub const UNKNOWN_REPEATS: u32 = 3;

/// Retries that a flowlet may ask for.
pub const RETRIES: u32 = 1_000;

/// Plays that may wait for a slot under one concurrency key.
pub const QUEUED_PER_KEY: u64 = 10_000;

/// Plays of one flow that may wait for a slot.
pub const QUEUED_PER_FLOW: u64 = 100_000;

/// How long an idempotency key is remembered, at least.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS: usize = 255;

/// How long the answer to something that was asked at another replica is kept.
pub const ANSWER_KEPT: Duration = Duration::from_secs(600);

/// How long an event that nobody waits for yet is kept.
pub const EARLY_EVENT_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The longest that an answer may be waited for with `?wait=`.
pub const WAIT: Duration = Duration::from_secs(300);

/// Lines that one flowlet may log, and characters of one line.
pub const LOG_LINES: usize = 1_000;

/// Characters of one line of a play's log.
pub const LOG_LINE_CHARS: usize = 8_192;

/// Layer events that a play sends one by one; beyond, it sends summaries.
pub const EVENTS_PER_PLAY: u64 = 1_000;

/// Labels that a play may carry, and characters of each.
pub const LABELS: usize = 32;

/// Rows of one page of a list.
pub const PAGE_ROWS: u32 = 100;

/// Rows up to which a list counts its total exactly.
pub const EXACT_TOTAL: u64 = 10_000;

/// Bytes of one text that is read as YAML or XML.
pub const DOCUMENT_BYTES: usize = 16 << 20;

/// Values in one document that a module reads or makes: of YAML, XML, CSV or a script.
pub const DOCUMENT_NODES: usize = 1_000_000;

/// Steps that the expressions of an array module may take for all elements together.
pub const ELEMENT_STEPS: u64 = 4_000_000;

/// Values that one JSONPath query may look at.
pub const JSON_PATH_STEPS: u64 = 4_000_000;

/// How deep XML may nest: an element takes up to two levels of JSON.
pub const XML_DEPTH: usize = 60;

/// How long a script may run.
pub const CODE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of memory that a script may take.
pub const CODE_MEMORY: usize = 64 << 20;

/// Scripts that may be left behind because nothing stops them; with more, no other one starts.
pub const CODE_RUNAWAYS: usize = 4;

/// Bytes of an HTTP answer that `curl` reads: as base64, it still fits an output.
pub const HTTP_BODY_BYTES: usize = 40 << 20;

/// Redirects that one HTTP request follows.
pub const HTTP_REDIRECTS: usize = 10;

/// How long connecting to an HTTP peer may take.
pub const HTTP_CONNECT: Duration = Duration::from_secs(10);

/// HTTP requests under way at once; more of them wait.
pub const HTTP_CONNECTIONS: usize = 1_000;

/// Bytes of a file that is read or written at once.
pub const FILE_BYTES: usize = 64 << 20;

/// Bytes of the path of a file.
pub const FILE_PATH_BYTES: usize = 1_024;

/// Files that one list holds.
pub const FILES_LISTED: usize = 10_000;

/// Bytes of one part of a large object on its way to a bucket; a smaller object goes in one piece.
pub const OBJECT_PART_BYTES: usize = 8 << 20;

/// Parts of one object that are on their way to a bucket at once.
pub const OBJECT_PARTS_AT_ONCE: usize = 4;

/// Bytes of the whole name of an object in a bucket, with prefix and company.
pub const OBJECT_KEY_BYTES: usize = 1_024;

/// How long one request to a bucket may take.
pub const OBJECT_REQUEST: Duration = Duration::from_secs(60);

/// How long a request to a bucket is tried again where there is no answer, or one that may pass.
pub const OBJECT_RETRIED: Duration = Duration::from_secs(20);

/// How long it may take to find out at the start whether a bucket is there.
pub const OBJECT_FIRST_LOOK: Duration = Duration::from_secs(30);

/// How old an object is before it counts as left behind: longer than a commit that refers to it is tried.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// Objects of which one round of cleaning finds out whether they are left behind.
pub const ORPHANS_CHECKED: usize = 10_000;

/// Bytes of the name of a key/value.
pub const KV_KEY_BYTES: usize = 512;

/// Bytes of the data of one line of a play's log.
pub const LOG_DATA_BYTES: usize = 64 << 10;

/// Bytes of one key/value, as JSON.
pub const KV_VALUE_BYTES: usize = 256 << 10;

/// Characters of the key of a key/value, and of an event's key.
pub const KEY_CHARS: usize = 512;

/// How long somebody may take at the provider that they sign in through.
pub const OIDC_SIGN_IN: Duration = Duration::from_secs(600);

/// How far the clock of a sign-in provider may be off.
pub const OIDC_LEEWAY: Duration = Duration::from_secs(60);

/// How long one request to a sign-in provider may take.
pub const OIDC_REQUEST: Duration = Duration::from_secs(10);

/// Bytes of one answer of a sign-in provider.
pub const OIDC_ANSWER_BYTES: usize = 256 << 10;

/// How long it is remembered what a sign-in provider says of itself, and its keys.
pub const OIDC_METADATA_KEPT: Duration = Duration::from_secs(3600);

/// How long a sign-in provider is left alone that was of no use.
pub const OIDC_DOWN: Duration = Duration::from_secs(5);

/// How soon the keys of a sign-in provider may be looked up again, where none of those at hand fits.
pub const OIDC_KEYS_AGAIN: Duration = Duration::from_secs(10);

/// Keys of a sign-in provider that are looked at.
pub const OIDC_KEYS: usize = 100;

/// Characters of the path that somebody goes on to after signing in.
pub const RETURN_TO_CHARS: usize = 1_000;

/// How long somebody who was invited may take to choose a password.
pub const INVITATION: Duration = Duration::from_secs(72 * 3600);

/// How long somebody may take to choose a password in place of one that was reset.
pub const PASSWORD_RESET: Duration = Duration::from_secs(24 * 3600);

/// Codes of a second factor that may be wrong, one after the other, before a wait.
pub const SECOND_FACTOR_TRIES: u32 = 10;

/// That wait; each further time, it is twice as long.
pub const SECOND_FACTOR_WAIT: Duration = Duration::from_secs(300);

/// The longest that it may become.
pub const SECOND_FACTOR_LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Codes that somebody gets for the day on which the second factor is lost.
pub const RECOVERY_CODES: usize = 10;

/// Sign-ins as one person that may fail before a wait.
pub const GUESSES_BY_PERSON: u32 = 10;

/// Sign-ins from one place that may fail before a wait: many people may share one.
pub const GUESSES_BY_PLACE: u32 = 100;

/// How long a sign-in that failed counts, and how long that wait is.
pub const GUESSES_COUNT: Duration = Duration::from_secs(300);

/// How long an API key holds where nobody says.
pub const API_KEY_KEPT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest that one may hold.
pub const API_KEY_LONGEST: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// API keys of one person.
pub const API_KEYS_PER_PERSON: usize = 100;

/// People of one company.
pub const PEOPLE: usize = 10_000;

/// Groups that are shared with one person.
pub const SHARES_PER_PERSON: usize = 100;

/// Addresses that one header may name on the way from a client through proxies.
pub const FORWARDED_HOPS: usize = 32;

/// How much of its rate somebody may use at once who has sent nothing for a while.
pub const RATE_BURST: Duration = Duration::from_secs(10);

/// Addresses, and keys and sessions, whose requests a replica counts at once.
pub const RATE_BUCKETS: usize = 65_536;

/// Flows that have figures of their own in a replica's metrics; those that come later share theirs.
pub const FLOWS_MEASURED: usize = 100;

/// Plays that are counted at most to tell how many are due.
pub const DUE_COUNTED: usize = 1_000;

/// Spans that wait until they are sent; what comes then is dropped.
pub const SPANS_KEPT: usize = 8_192;

/// Spans that are sent at once.
pub const SPANS_AT_ONCE: usize = 512;
/// Components of one company, and links of one company.
pub const COMPONENTS: usize = 1_000;

/// Characters of the name of a component or a link.
pub const COMPONENT_NAME_CHARS: usize = 100;

/// Bytes of the settings of a component or a link, as JSON, and of its secret part.
pub const COMPONENT_BYTES: usize = 64 << 10;

/// Hosts that one link may be sent to.
pub const LINK_HOSTS: usize = 50;

/// How long somebody may take to agree to a link at the peer.
pub const LINK_AGREEMENT: Duration = Duration::from_secs(600);

/// Addresses that one mail goes to.
pub const MAIL_RECIPIENTS: usize = 100;

/// Bytes of a mail with its files, before they are encoded.
pub const MAIL_BYTES: usize = 25 << 20;

/// Bytes of one mail that comes in, as it lies in its folder.
pub const MAILBOX_MAIL_BYTES: usize = 25 << 20;

/// Bytes of the headers of a mail that comes in, and of those of each of its parts.
pub const MAILBOX_HEADER_BYTES: usize = 256 << 10;

/// Parts of one mail that comes in.
pub const MAILBOX_PARTS: usize = 500;

/// How deep they may nest; what is deeper is a file.
pub const MAILBOX_DEPTH: usize = 16;

/// Files of one mail that comes in.
pub const MAILBOX_FILES: usize = 100;

/// Characters of the name of such a file.
pub const MAILBOX_FILE_NAME_CHARS: usize = 200;

/// Characters of the name of a folder of mails.
pub const MAILBOX_FOLDER_CHARS: usize = 200;

/// Mails of one folder that are known at once to wait; more are looked up when these are dealt with.
pub const MAILBOX_LISTED: usize = 1_000;

/// Bytes of one answer of a mail server, without the mail that it holds: room for the numbers of a million mails.
pub const MAILBOX_ANSWER_BYTES: usize = 16 << 20;

/// How long a mail server may be silent where it owes an answer.
pub const MAILBOX_SILENCE: Duration = Duration::from_secs(20);

/// How long a mail server may take for one command, however slowly it speaks.
pub const MAILBOX_COMMAND: Duration = Duration::from_secs(300);

/// How often a folder is looked at besides what the server tells by itself, where the channel does not say.
pub const MAILBOX_POLL: Duration = Duration::from_secs(60);

/// The longest time between two looks that a channel may say: servers hang up on whoever idles for half an hour.
pub const MAILBOX_POLL_MOST: Duration = Duration::from_secs(25 * 60);

/// How long the test of a component's connection may take.
pub const COMPONENT_TEST: Duration = Duration::from_secs(15);

/// Connections to one database at once, where the component does not say.
pub const DB_CONNECTIONS: usize = 10;

/// Connections to one database at once, at most.
pub const DB_CONNECTIONS_MOST: usize = 100;

/// Databases to which connections are kept at once.
pub const DB_POOLS: usize = 100;

/// How long connecting to a database may take, and waiting for one of its connections to be free.
pub const DB_CONNECT: Duration = Duration::from_secs(10);

/// How long a connection to a database is kept that nobody uses.
pub const DB_IDLE: Duration = Duration::from_secs(60);

/// Rows that one statement gives at most.
pub const DB_ROWS: usize = 10_000;

/// Bytes of the rows that one statement gives, as JSON.
pub const DB_ROWS_BYTES: usize = 16 << 20;

/// Parameters of one statement.
pub const DB_PARAMS: usize = 1_000;

/// Bytes of the text of one statement.
pub const DB_SQL_BYTES: usize = 256 << 10;

/// Characters of the name of a schedule, a calendar or a holiday.
pub const NAME_CHARS: usize = 200;

/// Schedules of one company, and calendars.
pub const SCHEDULES: usize = 10_000;

/// Characters of a cron expression.
pub const CRON_CHARS: usize = 200;

/// How much later than its tick a play may begin by chance.
pub const SCHEDULE_JITTER: Duration = Duration::from_secs(3600);

/// Missed ticks in a row that are run where a schedule runs them all.
pub const MISSED_RUNS: u32 = 1_000;

/// Ticks that one wish to backfill may cover.
pub const BACKFILL: usize = 1_000;

/// Ticks that are foretold at once.
pub const TICKS_FORETOLD: usize = 100;

/// Holidays of one calendar.
pub const HOLIDAYS: usize = 2_000;

/// Flows of one company that start by themselves.
pub const LISTENERS: usize = 10_000;

/// Things that start one flow by themselves.
pub const LISTENED_TO: usize = 100;
/// Channels of one company.
pub const CHANNELS: usize = 1_000;

/// Routes of one channel.
pub const CHANNEL_ROUTES: usize = 100;

/// Flows that one route starts.
pub const CHANNEL_TARGETS: usize = 10;

/// Characters of the name of a channel or a route.
pub const CHANNEL_NAME_CHARS: usize = 100;

/// Characters of what a tool is good for.
pub const CHANNEL_DESCRIPTION_CHARS: usize = 2_000;

/// Characters of the path of a route.
pub const CHANNEL_PATH_CHARS: usize = 512;

/// Bytes of the schema of a tool.
pub const CHANNEL_SCHEMA_BYTES: usize = 64 << 10;

/// Bytes of a channel as it is stored: its routes and their schemas together.
pub const CHANNEL_BYTES: usize = 512 << 10;

/// Bytes of the secret of a channel.
pub const CHANNEL_SECRET_BYTES: usize = 4 << 10;

/// Origins of pages that one channel lets call.
pub const CHANNEL_ORIGINS: usize = 50;

/// Requests a second that a channel may be said to take.
pub const CHANNEL_RATE_MOST: u32 = 100_000;

/// Bytes of a body through a channel that does not say.
pub const CHANNEL_BODY_BYTES: usize = 10 << 20;

/// Bytes of a body that a channel may be said to take.
pub const CHANNEL_BODY_BYTES_MOST: usize = 100 << 20;

/// Bytes of bodies that a replica holds at once, of all channels, beside the first piece of each.
pub const CHANNEL_BODIES_BYTES: usize = 512 << 20;

/// Bytes by which a body takes room while it arrives. One that is no larger needs none.
pub const BODY_PIECE: usize = 64 << 10;

/// How long a body may take to arrive as a whole.
pub const CHANNEL_BODY_TIME: Duration = Duration::from_secs(120);

/// How long an answer waits for a play, where the route does not say.
pub const CHANNEL_TIMEOUT: Duration = Duration::from_secs(30);

/// Parts of one form with files.
pub const FORM_PARTS: usize = 100;

/// Bytes of the headers of one part of a form.
pub const FORM_HEADER_BYTES: usize = 8 << 10;

/// Values in a query or a form.
pub const FORM_FIELDS: usize = 1_000;

/// How far the time of a signature may be off, where the channel does not say.
pub const SIGNATURE_WINDOW: Duration = Duration::from_secs(300);

/// The longest that a channel may say.
pub const SIGNATURE_WINDOW_MOST: Duration = Duration::from_secs(24 * 3600);

/// Channels that a replica has at hand; with more, it begins anew.
pub const CHANNELS_AT_HAND: usize = 10_000;

/// How long a channel is at hand before the store is asked whether it has changed, should nobody have said so.
pub const CHANNEL_AT_HAND: Duration = Duration::from_secs(5);

/// How long it is remembered that a path leads nowhere.
pub const CHANNEL_MISSED: Duration = Duration::from_millis(250);

/// Requests through one channel that are kept to be looked at.
pub const CHANNEL_REQUESTS: u32 = 200;

/// How long they are.
pub const CHANNEL_REQUESTS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Requests through one channel that each replica writes down in a second; of more, some are passed over.
pub const CHANNEL_REQUESTS_LOGGED: u32 = 20;

/// Requests that a channel refused that are kept to be looked at.
pub const CHANNEL_REFUSALS: u32 = 100;

/// Refused requests of one channel that each replica writes down in a second; of more, some are passed over.
pub const CHANNEL_REFUSALS_LOGGED: u32 = 1;

/// Those that it writes down at once.
pub const CHANNEL_REFUSALS_BURST: u32 = 20;

/// Events of a play that wait for whoever reads them over HTTP.
pub const CHANNEL_EVENTS_WAITING: usize = 64;

/// Routes of channels that have figures of their own in a replica's metrics; those that come later share theirs.
pub const CHANNEL_ROUTES_MEASURED: usize = 500;

/// WebSockets of channels that are open at one replica.
pub const CHANNEL_SOCKETS: usize = 20_000;

/// Bytes of one message over such a connection, where the channel does not say less.
pub const CHANNEL_MESSAGE_BYTES: usize = 1 << 20;

/// Messages of one connection that are heeded at once; more are not read.
pub const CHANNEL_SOCKET_IN_FLIGHT: usize = 8;

/// Messages of flows that wait for one connection to read them; whoever has more is let go.
pub const CHANNEL_SOCKET_WAITING: usize = 64;

/// Messages of one channel that a replica admits at once; the peer hands out no more before they are settled.
pub const CHANNEL_MESSAGES_AT_ONCE: usize = 16;

/// Channels from which one replica takes messages in.
pub const CHANNELS_TAKEN_IN: usize = 1_000;

/// Bytes of what a channel says of where its messages lie, as JSON.
pub const CHANNEL_SOURCE_BYTES: usize = 16 << 10;

/// How long it may take to open a way in to messages.
pub const INTAKE_OPEN: Duration = Duration::from_secs(30);

/// How long a peer may take to hear what became of a message.
pub const INTAKE_SETTLE: Duration = Duration::from_secs(30);

/// The first pause before a lost connection to messages is opened again; each one after it is twice as long.
pub const INTAKE_FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest such pause, and the longest for which a message waits that cannot be admitted now.
pub const INTAKE_LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// For how long one replica has the turn to take in where one alone may; it says so again long before that is over.
pub const INTAKE_TURN: Duration = Duration::from_secs(9);

/// Tools of one page of a list, over MCP.
pub const MCP_PAGE: usize = 50;

/// Bytes of one message to the MCP server.
pub const MCP_BODY_BYTES: usize = 4 << 20;

/// Bytes of an output that an MCP tool answers with; a larger one is named, and read elsewhere.
pub const MCP_RESULT_BYTES: usize = 256 << 10;

/// How long such a message may take to arrive as a whole.
pub const MCP_BODY_TIME: Duration = Duration::from_secs(120);

/// Bytes of the messages that one replica reads at once, over MCP.
pub const MCP_BODIES_BYTES: usize = 128 << 20;

/// Calls over MCP that are under way at once, at one replica.
pub const MCP_CALLS: usize = 2_000;

/// Bytes of one message of a queue, with its headers. A longer one is not read, and put where dead ones lie.
pub const QUEUE_MESSAGE_BYTES: usize = 8 << 20;

/// Bytes of the headers of such a message, names and values.
pub const QUEUE_HEADER_BYTES: usize = 64 << 10;

/// Bytes of one line that a queue's server says.
pub const QUEUE_LINE_BYTES: usize = 64 << 10;

/// Bytes of one frame of AMQP; what is longer comes in several.
pub const QUEUE_FRAME_BYTES: u32 = 128 << 10;

/// How long the server of a queue may take to answer.
pub const QUEUE_ANSWER: Duration = Duration::from_secs(10);

/// How often an open way in looks whether the server of a queue is still there.
pub const QUEUE_HEARTBEAT: Duration = Duration::from_secs(5);

/// How long such a server may say nothing at all. Then the connection counts as lost.
pub const QUEUE_SILENCE: Duration = Duration::from_secs(15);

/// After how long messages that were handed out to a replica which is gone come again, unless the channel says
/// otherwise, and the most that it may say.
pub const QUEUE_IDLE: Duration = Duration::from_secs(60);

/// The most that a channel may say there.
pub const QUEUE_IDLE_MOST: Duration = Duration::from_secs(24 * 3600);

/// The longest that a message waits before it comes again.
pub const QUEUE_AGAIN: Duration = Duration::from_secs(3600);

/// Messages that a stream of dead ones in Redis keeps, about; older ones go.
pub const QUEUE_DEAD: usize = 100_000;

/// Characters of the name of a stream, a group, a consumer or a queue.
pub const QUEUE_NAME_CHARS: usize = 200;

/// Characters of what a queue's server says, and of why a message is dead, that are told.
pub const QUEUE_SAID_CHARS: usize = 300;
