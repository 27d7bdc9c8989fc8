import Documents
import Quantities

/// The keys of a cluster file, in the order in which the reference shows them.
///
/// What the sections of constants hold is declared by the room Costs, which reads them.
struct ClusterKeys: KeySet {
  let name = Key("name", .string, otherwise: "the file's name", "What the cluster is called.")
  let summary = Key("summary", .string, otherwise: "none", "The cluster in a line.")
  let nodes = Key(
    "nodes", .sourced(.integer(in: 1...Cluster.largestRankCount)), "Machines that hold devices.")
  let price = Key(
    "price", .sourced(.number(in: 0...1_000_000)), otherwise: "2",
    "US dollars for a device for an hour.")
  let device: TableKey<DeviceKeys>
  let node: TableKey<NodeKeys>
  let network = TableKey(
    "network", NetworkKeys(), otherwise: "only a single node needs none",
    "The switches between nodes: one or several equal fat trees, called planes.")
  let slowHosts = TableKey(
    "slow-hosts", SlowHostKeys(), otherwise: "none is", "Nodes that are slower, nobody knows which."
  )
  let failures = TableKey(
    "failures", FailureKeys(), otherwise: "a forecast counts no failure",
    "What breaks and how often, for forecasts of whole runs.")
  let storage = TableKey(
    "storage", StorageKeys(), otherwise: "a forecast of checkpoints needs it",
    "What checkpoints are written to.")
  let degradations = TableKey(
    "degraded", DegradationKeys(), list: true, otherwise: "nothing is",
    "What is slower than described, or has failed.")

  /// The keys, with those of the sections of constants where the reference is wanted.
  init(kernels: [KeyEntry] = [], exchange: [KeyEntry] = [], collectives: [KeyEntry] = []) {
    device = TableKey("device", DeviceKeys(kernels: kernels), "One accelerator.")
    node = TableKey(
      "node", NodeKeys(exchange: exchange, collectives: collectives),
      "The machine that holds devices.")
  }
}

/// The keys of `device`.
struct DeviceKeys: KeySet {
  let name = Key("name", .string, "The product's name.")
  let multiprocessors = Key(
    "multiprocessors", .sourced(.integer(in: 1...65536)),
    "Streaming multiprocessors, among which kernels divide their tiles.",
    otherNames: ["sms", "sm-count"])
  let computeCapability = Key(
    "compute-capability", .sourced(.number(in: 1...99)),
    otherwise: "9.0 of a device that multiplies in FP8, 8.0 of others",
    "The generation by which libraries choose how much they hold: workspaces of products.")
  let peak = TableKey(
    "peak", PeakKeys(), "Dense peaks at the boost clock; at least one.")
  let clock = TableKey(
    "clock", ClockKeys(), otherwise: "nothing can be simulated", "The clocks of the device.")
  let powerCap = Key(
    "power-cap", .sourced(.power), otherwise: "clock.loaded decides",
    "What the device may draw: the clock of a step follows from its energy.")
  let energy = TableKey(
    "energy", EnergyKeys(), otherwise: "no power is known",
    "What the device draws, idle and for its work.")
  let jitter = TableKey(
    "jitter", JitterKeys(), otherwise: "devices are alike and do the same in equal times",
    "How far equal devices lie apart: groups wait for the expected slowest.")
  let memory = TableKey("memory", MemoryKeys(), "The device's own memory.")
  let sharedMemory = Key(
    "shared-memory", .sourced(.memorySize), otherwise: "it bounds nothing",
    "What the thread blocks of one multiprocessor share: it bounds the tiles of products.")
  let hostLink = TableKey(
    "host-link", HostLinkKeys(), otherwise: "nothing can be offloaded",
    "What joins the device to its host's memory.")
  let launch = TableKey("launch", LaunchKeys(), "What starting a kernel costs.")
  let kernels: TableKey<ConstantKeys>
  let scaling = Key(
    "kernels-scaled", .boolean, default: false,
    "Whether the constants of kernels are another device's: products and attention are then as "
      + "efficient at every shape as there, at this device's own peaks.")

  let processor = TableKey(
    "processor", ProcessorKeys(), otherwise: "the device is an accelerator",
    "Of a CPU rank: what its kernels take, measured. Beside it stand name and memory.size alone.")

  init(kernels: [KeyEntry]) {
    self.kernels = TableKey(
      "kernels", ConstantKeys(entries: kernels), otherwise: "nothing can be simulated",
      "Constants of the kernels' cost formulas.")
  }
}

/// The keys of a section of constants as the room Costs declares them.
struct ConstantKeys: KeySet {
  let entries: [KeyEntry]
}

/// The keys of `device.peak`.
struct PeakKeys: KeySet {
  let rates = Precision.allCases.map { PeakKey(precision: $0) }
}

/// The peak of one precision.
struct PeakKey: Described {
  let precision: Precision
  let key: Key<Sourced<FLOPsPerSecond>>

  init(precision: Precision) {
    self.precision = precision
    key = Key(
      precision.rawValue, .sourced(.rate), otherwise: "no such arithmetic",
      "Operations a second; a multiply-add counts as two.")
  }

  var entries: [KeyEntry] { key.entries }
}

/// The keys of `device.clock`.
struct ClockKeys: KeySet {
  let boost = Key(
    "boost", .sourced(.clockRate), "The clock at which peaks are stated and short kernels run.")
  let loaded = Key(
    "loaded", .sourced(.clockRate), otherwise: "what device.power-cap leaves, else boost",
    "The clock that training leaves; at most boost.")
}

/// The keys of `device.energy`.
struct EnergyKeys: KeySet {
  let idle = Key("idle", .sourced(.power), "Powered, with nothing to do.")
  let fp8 = Key(
    "fp8", .sourced(.energy), otherwise: "half of bf16",
    "An operation of FP8 products at the boost clock; a multiply-add counts as two.")
  let bf16 = Key(
    "bf16", .sourced(.energy),
    "The same of 16-bit products; other formats take it over their speed in units of these.")
  let attention = Key(
    "attention", .sourced(.energy), otherwise: "as bf16",
    "An operation of fused attention in 16 bits, exponentials included.")
  let byte = Key("byte", .sourced(.energy), "A byte to or from the device's memory.")
  let exponent = Key(
    "exponent", .sourced(.number(in: 0...3)),
    "An operation's energy grows with this power of the clock.")
}

/// A rate as the data sheet says and as it is reached.
struct RateKeys {
  let nominal: Key<Sourced<BytesPerSecond>>
  let reached: Key<Sourced<BytesPerSecond>>

  init(_ meaning: String, reached: String) {
    nominal = Key("bandwidth", .sourced(.bandwidth), meaning)
    self.reached = Key("reached", .sourced(.bandwidth), otherwise: "bandwidth", reached)
  }
}

extension RateKeys: Described {
  var entries: [KeyEntry] { nominal.entries + reached.entries }
}

/// The keys of `device.memory`.
struct MemoryKeys: KeySet {
  let size = Key("size", .sourced(.memorySize), "What a rank may hold.")
  let rates = RateKeys(
    "What the data sheet says; no streaming kernel gets beyond it.",
    reached: "What streaming kernels reach; their rates scale with it.")
}

/// The keys of `device.host-link`.
struct HostLinkKeys: KeySet {
  let rates = RateKeys(
    "One way, as the data sheet says; both ways carry as much at once.",
    reached: "One way, as copies from and to pinned memory reach.")
}

/// The keys of `device.launch`.
struct LaunchKeys: KeySet {
  let gap = Key(
    "gap", .sourced(.latency), "Between two kernels of a stream that has a backlog.")
  let host = Key(
    "host", .sourced(.latency),
    "What the host needs to issue a kernel; it shows where kernels are shorter.")
  let eager = Key(
    "eager", .sourced(.latency), otherwise: "host",
    "The same where a plan's execution is eager: modules, views and gradients of operators that PyTorch "
      + "issues one by one, spread over the kernels of a layer.")
}

/// The keys of `node`.
struct NodeKeys: KeySet {
  let devices = Key("devices", .sourced(.integer(in: 1...4096)), "Devices of a node.")
  let link = TableKey("link", LinkKeys(), "What joins the devices of a node.")
  let adapters = TableKey(
    "adapters", AdapterKeys(), otherwise: "the node is alone", "What joins a node to the network.")
  let exchange: TableKey<ConstantKeys>
  let collectives: TableKey<ConstantKeys>

  init(exchange: [KeyEntry], collectives: [KeyEntry]) {
    self.exchange = TableKey(
      "exchange", ConstantKeys(entries: exchange),
      otherwise: "dispatcher deepep cannot be simulated",
      "Constants of the expert exchange.")
    self.collectives = TableKey(
      "collectives", ConstantKeys(entries: collectives), otherwise: "nothing can be simulated",
      "Constants of collectives.")
  }
}

/// The keys of `node.link`.
struct LinkKeys: KeySet {
  let name = Key("name", .string, "The technology's name.")
  let rates = RateKeys(
    "One way per device, as the data sheet says.",
    reached: "One way per device, as transfers reach; no flow gets beyond it.")
  let latency = Key("latency", .sourced(.latency), "A small message between two devices.")
  let sharedBandwidth = Key(
    "shared-bandwidth", .sourced(.bandwidth), otherwise: "a switch serves every pair",
    "What all transfers inside a node share.")
}

/// The keys of `node.adapters`.
struct AdapterKeys: KeySet {
  let name = Key("name", .string, "The product's name.")
  let count = Key(
    "count", .sourced(.integer(in: 1...4096)),
    "Adapters of a node; a divisor of its devices, of which each serves as many.")
  let rates = RateKeys(
    "One way per adapter, as the data sheet says.",
    reached: "One way per adapter, as transfers reach; no flow gets beyond it.")
}

/// The keys of `network`.
struct NetworkKeys: KeySet {
  let name = Key("name", .string, "The technology's name.")
  let planes = Key(
    "planes", .sourced(.integer(in: 1...4096)),
    "Separate fat trees: adapter i of each node belongs to plane i modulo this.")
  let attachment = Key(
    "attachment", .choice(Network.Attachment.self),
    "rail: adapters of equal index share a leaf switch; node: those of a node do.")
  let layers = TableKey(
    "layers", LayerKeys(), list: true, "One to three layers of switches, leaves first.")
  let latency = TableKey(
    "latency", LatencyKeys(), "End to end, a small message, by the highest layer that it reaches.")
  let port = TableKey(
    "port", PortKeys(), otherwise: "that of an adapter", "One way between two switches.")
}

/// The keys of a layer of switches.
struct LayerKeys: KeySet {
  let radix = Key("radix", .sourced(.integer(in: 2...65536)), "Ports of a switch.")
  let oversubscription = Key(
    "oversubscription", .sourced(.number(in: 1...1024)), otherwise: "1",
    "Bandwidth towards the devices over that towards the next layer; 1 at the top.")
}

/// The keys of `network.latency`.
struct LatencyKeys: KeySet {
  let sameLeaf = Key("same-leaf", .sourced(.latency), "Through one switch.")
  let crossLeaf = Key(
    "cross-leaf", .sourced(.latency), otherwise: "required with two layers", "Over the second.")
  let crossPod = Key(
    "cross-pod", .sourced(.latency), otherwise: "required with three layers", "Over the third.")
}

/// The keys of `network.port`.
struct PortKeys: KeySet {
  let rates = RateKeys("As the data sheet says.", reached: "As traffic reaches.")
}

/// The keys of something degraded.
struct DegradationKeys: KeySet {
  private static func index(_ key: String, _ needed: String, _ what: String) -> Key<Int> {
    Key(
      key, .integer(in: 0...Cluster.largestRankCount), otherwise: "required for \(needed)", what)
  }

  let what = Key("what", .choice(Degradation.Kind.self), "What is degraded.")
  let rank = index("rank", "device, node-link", "The rank whose device or link it is.")
  let node = index("node", "adapter", "The node whose adapter it is.")
  let adapter = index("index", "adapter", "The adapter's number in its node.")
  let plane = index("plane", "uplinks", "The plane whose switches they are.")
  let leaf = index("leaf", "leaf-uplinks", "The leaf switch.")
  let pod = index("pod", "spine-uplinks", "The pod; three layers only.")
  let share = Key(
    "share", .fraction,
    "What is left of it, 0.001 to 1; 0: an adapter that failed, others of the node take over.")
}

// Bounds far beyond any hardware keep every simulated time within the clock.

extension Expected where Value == FLOPsPerSecond {
  static var rate: Expected { .quantity(in: FLOPsPerSecond(1e9)...FLOPsPerSecond(1e21)) }
}

extension Expected where Value == Frequency {
  static var clockRate: Expected { .quantity(in: Frequency(10e6)...Frequency(100e9)) }
}

extension Expected where Value == Watts {
  static var power: Expected { .quantity(in: Watts(1)...Watts(1e6)) }
}

extension Expected where Value == Joules {
  static var energy: Expected { .quantity(in: Joules(1e-16)...Joules(1e-6)) }
}

extension Expected where Value == ByteCount {
  static var memorySize: Expected { .quantity(in: ByteCount(1 << 10)...ByteCount(1 << 60)) }
}

extension Expected where Value == BytesPerSecond {
  static var bandwidth: Expected { .quantity(in: BytesPerSecond(1e6)...BytesPerSecond(1e18)) }
}

extension Expected where Value == Seconds {
  static var latency: Expected { .quantity(in: .zero...Seconds(1)) }
}

extension Cluster {
  /// Everything that a cluster file may say.
  ///
  /// - Parameters: the keys of the sections of constants, as whoever reads them declares them.
  public static func reference(
    kernels: [KeyEntry], exchange: [KeyEntry], collectives: [KeyEntry]
  ) -> KeyReference {
    KeyReference(
      "a cluster",
      "A cluster says what ranks run on: a YAML or JSON file, or a shipped name. In place of the "
        + "tables \(sections.joined(separator: ", ")) may stand the name or the path of another "
        + "description, whose table is taken; a table among these may say like: NAME, and then "
        + "only "
        + "what differs from that one's. On the command line: --set cluster.KEY=VALUE.",
      ClusterKeys(kernels: kernels, exchange: exchange, collectives: collectives).entries)
  }
}
