import Clusters
import Documents

/// A key with a constant of a cost formula.
func constant(
  _ name: String, _ kind: ConstantKind, _ meaning: String
) -> Key<Sourced<Double>> {
  Key(name, .sourced(kind.expected), meaning)
}

/// The same for a constant that a file may leave out.
func constant(
  _ name: String, _ kind: ConstantKind, otherwise: String, _ meaning: String
) -> Key<Sourced<Double>> {
  Key(name, .sourced(kind.expected), otherwise: otherwise, meaning)
}

/// The keys of `device.kernels`, in the order in which the reference shows them.
struct KernelKeys: KeySet {
  let matmul = TableKey(
    "matmul", LibraryKeys(), "Constants of matrix products; at least one library.")
  let attention = TableKey("attention", AttentionKeys(), "Constants of fused attention.")
  let streaming = TableKey(
    "streaming", StreamingKeys(),
    "What each class of kernels that stream memory reaches, and times beside.")
  let operators = TableKey(
    "operators", OperatorKeys(),
    otherwise: StreamingClass.allCases.compactMap { kernel in
      kernel.substitute.map { "\(kernel.rawValue) as streaming.\($0.rawValue)" }
    }.joined(separator: ", "),
    "What operators reach that run by themselves, and casts to FP8 with one scale a tensor.")
}

/// The keys of `device.kernels.matmul`: a table for each library.
struct LibraryKeys: KeySet {
  let libraries = MatmulLibrary.allCases.map { LibraryKey(library: $0) }
}

/// The table of one library of matrix products.
struct LibraryKey: Described {
  let library: MatmulLibrary
  let table: TableKey<MatmulKeys>

  init(library: MatmulLibrary) {
    self.library = library
    table = TableKey(
      library.rawValue, MatmulKeys(library), otherwise: "the device has no such library",
      "Constants of one library's products.")
  }

  var entries: [KeyEntry] { table.entries }
}

/// The keys of one library of matrix products.
struct MatmulKeys: KeySet {
  let flopsPerClock = constant(
    "flops-per-clock", .flopsPerClock,
    "FLOP a clock and multiprocessor; bounded by device.peak, and refused far above it.")
  let constants = [
    constant("step-depth", .rows, "Elements of K that one step of the main loop consumes."),
    constant("step-overhead", .cycles, "Cycles of a step beside its products."),
    constant("step-floor", .cycles, "Cycles below which no step gets."),
    constant(
      "promotion", .multiple,
      "Cycles to promote 128 outputs for 128 of K, over those of one 128-lane add."),
    constant("promotion-weight", .multiple, "The same in weight gradients."),
    constant("tile-overhead", .time, "Seconds to fill and drain the pipeline for 128 x 128."),
    constant("output-rate", .rate, "Bytes a second at which all tiles are written."),
    constant("start", .time, "From the kernel's start to its first step, and back."),
    constant("knee", .exponent, "How sharply compute and memory time join; high: a roofline."),
    constant("maximum-tile-rows", .tile, "Rows of the largest tile."),
    constant("maximum-tile-columns", .tile, "Columns of the largest tile."),
  ]
  private(set) var optionalConstants: [Key<Sourced<Double>>]

  init(_ library: MatmulLibrary) {
    guard library.isVendors else {
      optionalConstants = []
      return
    }
    // Files that were written before these keys existed mean what the formulas did then.
    optionalConstants = [
      constant(
        "promotion-input", .multiple, otherwise: "promotion", "Of promotion, in input gradients.")
    ]
    if !library.isFP8 { optionalConstants += Self.ofSixteenBits }
    optionalConstants += [
      constant(
        "accumulation-rate", .rate, otherwise: "output-rate",
        "Bytes a second, read and written, at which all tiles are added to sums of gradients."),
      constant(
        "split-start", .time, otherwise: "0 us",
        "To add up the parts of a product that the library splits along K."),
      constant(
        "tile-step", .step, otherwise: "the sides are powers of two",
        "Tiles have 128 by every multiple of it from 64 to 256."),
    ]
  }

  private static var ofSixteenBits: [Key<Sourced<Double>>] {
    [
      constant(
        "tensor-clock", .share, otherwise: "1",
        "What tensor cores at work leave of the clock at once, whatever the mean power."),
      constant(
        "tensor-burst", .time, otherwise: "0 us",
        "For how long a kernel has the whole clock before."),
    ]
  }
}

/// The keys of `device.kernels.attention`.
struct AttentionKeys: KeySet {
  let flopsPerClock = constant(
    "flops-per-clock", .flopsPerClock, "FLOP a clock and multiprocessor; bounded by device.peak.")
  let library = Key(
    "library", .choice(AttentionLibrary.self), otherwise: "no plan may name it",
    "Whose kernels the shares below are of.")
  // Needed where no library has a table.
  let shares = [
    constant(
      "forward-share", .share, otherwise: "the tables of libraries say",
      "What the forward reaches with heads of up to 128 columns."),
    constant(
      "forward-share-wide", .share, otherwise: "the tables of libraries say",
      "The same with wider heads."),
    constant(
      "backward-share", .share, otherwise: "the tables of libraries say",
      "What the backward reaches with heads of up to 128."),
    constant(
      "backward-share-wide", .share, otherwise: "the tables of libraries say",
      "The same with wider heads."),
  ]
  let libraries = AttentionLibrary.preferred.map { AttentionLibraryKey(library: $0) }
  let constants = [
    constant("forward-tail", .multiple, "The forward's idle end, in longest blocks."),
    constant("backward-tail", .multiple, "The backward's."),
    constant("block-rows", .rows, "Query rows of a block."),
    constant("start", .time, "From start to first product."),
  ]
}

/// The table of one library of fused attention: a table for each width of heads.
struct AttentionLibraryKey: Described {
  let library: AttentionLibrary
  let table: TableKey<AttentionWidthsKeys>

  init(library: AttentionLibrary) {
    self.library = library
    table = TableKey(
      library.rawValue, AttentionWidthsKeys(), otherwise: "no plan may name it",
      "What one library's kernels reach, by the width of heads.")
  }

  var entries: [KeyEntry] { table.entries }
}

/// The keys of one library of fused attention.
struct AttentionWidthsKeys: KeySet {
  let widths = AttentionWidth.described.map { AttentionWidthKey(width: $0) }
}

/// The table of one width of heads.
struct AttentionWidthKey: Described {
  let width: Int
  let table: TableKey<AttentionWidthKeys>

  init(width: Int) {
    self.width = width
    table = TableKey(
      "width-\(width)", AttentionWidthKeys(), otherwise: "the next wider one's, or the widest's",
      "Heads of up to \(width) columns.")
  }

  var entries: [KeyEntry] { table.entries }
}

/// The keys of one width of heads.
struct AttentionWidthKeys: KeySet {
  let constants = [
    constant("forward-share", .share, "What the forward's main loop reaches of the peak."),
    constant("backward-share", .share, "What the backward's reaches."),
    constant(
      "forward-ramp", .keys, "What a block of the forward takes beside its loop, in keys."),
    constant("backward-ramp", .keys, "What one of the backward takes."),
  ]
}

/// The keys of `device.kernels.streaming`.
struct StreamingKeys: KeySet {
  let measuredAt = constant(
    "measured-at", .rate,
    "What memory reached where the rates were measured; they follow device.memory.reached.")
  let rates = StreamingClass.allCases.filter { $0.substitute == nil }
    .map { constant($0.rawValue, .rate, $0.meaning) }
  let times = [
    constant("ramp", .time, "From a kernel's start to its first bytes, with its drain."),
    constant("routing-per-token", .time, "A token in the kernels that choose its experts."),
    constant("index-per-token", .time, "A received token in the kernels that index by expert."),
  ]
  let shortest = constant(
    "shortest", .time, otherwise: "0 s",
    "What no kernel takes less than, its ramp included; those that route and index begin with it.")
}

/// The keys of `device.kernels.operators`.
struct OperatorKeys: KeySet {
  let measuredAt = constant(
    "measured-at", .rate, "What memory reached where the rates were measured, as of streaming.")
  let rates = StreamingClass.allCases
    .filter { $0.substitute != nil && !Self.later.contains($0) }
    .map { constant($0.rawValue, .rate, $0.meaning) }
  let laterRates = Self.later.map { kernel in
    constant(
      kernel.rawValue, .rate, otherwise: "streaming.\(kernel.substitute?.rawValue ?? "")",
      kernel.meaning)
  }

  // Files that were written before these keys existed go without them.
  private static let later: [StreamingClass] = [
    .operatorOfSoftmax, .unitParameters, .unitGradients,
  ]
}

/// The keys of `node.exchange`.
struct ExchangeKeys: KeySet {
  let networkShare = constant(
    "network-share", .share, "What the exchange reaches of an adapter's bandwidth.")
  let linkShare = constant(
    "link-share", .share, "What it reaches of the link's bandwidth inside a node.")
  let inside = MultiprocessorRateKeys(
    constant(
      "multiprocessor-rate", .rate,
      "Bytes of rows a second that one multiprocessor moves, with all ranks in a node."))
  let across = MultiprocessorRateKeys(
    constant(
      "multiprocessor-rate-across", .rate, otherwise: "those of a node",
      "The same where rows come from other nodes."))
  let lowLatency = LowLatencyKeys()
  let rowHandling = constant(
    "row-handling", .time,
    "A row to another node, for two multiprocessors, beside busy computation.")
  let layoutPerToken = constant(
    "layout-per-token", .time, "A token, to count destinations before a dispatch.")
  // Files that were written before the key existed mean DeepEP, whose normal kernels take 20.
  let multiprocessors = Key(
    "multiprocessors", .sourced(.integer(in: 1...4096)), otherwise: "20",
    "What an exchange takes where a plan has no communication-sms.")
}

/// A rate of multiprocessors and the ends between which it may lie.
struct MultiprocessorRateKeys: Described {
  let stated: Key<Sourced<Double>>
  let low: Key<Sourced<Double>>
  let high: Key<Sourced<Double>>

  init(_ stated: Key<Sourced<Double>>) {
    self.stated = stated
    low = constant(
      stated.name + "-low", .rate, otherwise: "the stated rate",
      "The least that is plausible; figures at both ends stand beside those that depend on it.")
    high = constant(
      stated.name + "-high", .rate, otherwise: "the stated rate", "The most that is plausible.")
  }

  var entries: [KeyEntry] { stated.entries + low.entries + high.entries }
}

extension Cluster {
  /// Everything that a cluster file may say, constants of cost formulas included.
  public static var keyReference: KeyReference {
    reference(
      kernels: KernelKeys().entries, exchange: ExchangeKeys().entries,
      collectives: CollectiveKeys().entries)
  }
}
