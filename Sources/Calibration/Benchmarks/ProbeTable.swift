import Clusters
import Costs
import Documents

/// Reads the table that `probe.py` writes: products, attention, streaming kernels, the host, copies, power.
///
/// A row without a time says why, and is counted. Left out are grouped products and packed attention, which have no
/// constants of their own, and formats that only the probe compares with.
struct ProbeTable {
  private let text: BenchmarkText
  private let columns: [String]
  private var result = Measurements()
  private var conditions: [String: String] = [:]
  private var untimed = 0
  private var unused: [String: Int] = [:]
  private var loads: [PowerLoad] = []
  private var idleWatts: Double?
  /// A layer's time to be issued and its kernels, by direction.
  private var issued: [String: (seconds: Double, kernels: Double)] = [:]

  private static let heading = "part,name,library,direction,format,shape,microseconds"

  static func recognises(_ text: BenchmarkText) -> Bool {
    text.lines.contains { $0.text.hasPrefix(heading) }
  }

  static func read(_ text: BenchmarkText) throws(ConfigurationError) -> Measurements {
    guard let head = text.lines.first(where: { $0.text.hasPrefix(heading) }) else {
      throw text.error(nil, "has no head of the probe's columns")
    }
    var reader = ProbeTable(
      text: text, columns: head.text.split(separator: ",").map(String.init))
    for line in text.lines { try reader.read(line, isBehindHead: line.number > head.number) }
    try reader.finish()
    return reader.result
  }

  private init(text: BenchmarkText, columns: [String]) {
    self.text = text
    self.columns = columns
  }

  private mutating func read(
    _ line: BenchmarkText.Line, isBehindHead: Bool
  ) throws(ConfigurationError) {
    if line.text.hasPrefix("#") {
      if let colon = line.text.firstIndex(of: ":") {
        let key = line.text[..<colon].dropFirst().filter { $0 != " " }
        let value = String(line.text[line.text.index(after: colon)...].drop { $0 == " " })
        conditions[key] = value
        if key == "leftoutforwantoftime" {
          result.remarks.append(
            "\(text.file):\(line.number): \(value) not measured, its time was over: more by "
              + "probe.py --seconds")
        }
      }
      return
    }
    guard isBehindHead, let row = ComponentTable.row(line.text, columns: columns) else { return }
    let word = row.text("microseconds")
    if word.isEmpty, row.text("name") == "idle" {
      idleWatts = try text.measured(row.text("watts"), "watts", line)
      return
    }
    if !word.isEmpty, !Self.isFitted(row) {
      unused[row.text("part"), default: 0] += 1
      return
    }
    // What issuing costs is a difference of two times, which may be nothing.
    let isDifference = row.text("part") == "issue"
    guard let micros = try text.measured(word, "microseconds", line, zero: isDifference), micros > 0
    else {
      untimed += 1
      return
    }
    try take(line, row, micros * 1e-6)
  }

  /// Whether a row is of a kind that something is fitted to; of what operators cost the host a layer alone is.
  private static func isFitted(_ row: [String: String]) -> Bool {
    switch row.text("part") {
    case "products", "attention", "streaming", "compiled", "host", "copies", "sustained",
      "collectives":
      true
    case "issue": row.text("name") == "layer"
    default: false
    }
  }

  private mutating func take(
    _ line: BenchmarkText.Line, _ row: [String: String], _ seconds: Double
  ) throws(ConfigurationError) {
    let shape = Self.shape(row.text("shape"))
    switch row.text("part") {
    case "products": takeProduct(line, row, shape, seconds)
    case "attention": takeAttention(line, row, shape, seconds)
    case "streaming", "compiled": try takeStream(line, row, seconds)
    case "host": takeHost(row, seconds)
    case "issue": takeLayer(row, shape, seconds)
    case "copies": try takeCopy(line, row, seconds)
    case "sustained": try takeLoad(line, row, seconds)
    case "collectives": try takeCollective(line, row, shape, seconds)
    default: unused[row.text("part"), default: 0] += 1
    }
  }

  /// `m=8192 n=6144 k=4096`.
  private static func shape(_ text: String) -> [String: String] {
    var parts: [String: String] = [:]
    for part in text.split(separator: " ") {
      let pair = part.split(separator: "=")
      if pair.count == 2 { parts[String(pair[0])] = String(pair[1]) }
    }
    return parts
  }

  private func side(_ shape: [String: String], _ key: String) -> Int? {
    shape[key].flatMap { counting($0) }.flatMap { $0 <= 1 << 24 ? $0 : nil }
  }

  // MARK: Kernels

  private mutating func takeProduct(
    _ line: BenchmarkText.Line, _ row: [String: String], _ shape: [String: String],
    _ seconds: Double
  ) {
    guard let m = side(shape, "m"), let n = side(shape, "n"), let k = side(shape, "k") else {
      return
    }
    let format = row.text("format")
    let library: MatmulLibrary
    switch format {
    case "bf16", "bf16+float32": library = .bf16
    case "fp8": library = .fp8PerTensor
    default:
      unused["products in \(format)", default: 0] += 1
      return
    }
    let product =
      switch row.text("direction") {
      case "input-gradient": MatmulShape(m: m, n: k, k: n, pass: .backwardInput)
      case "weight-gradient":
        MatmulShape(
          m: n, n: k, k: m, pass: .backwardWeight, accumulates: format == "bf16+float32")
      default: MatmulShape(m: m, n: n, k: k)
      }
    result.products.append(
      MeasuredProduct(
        library: library, shape: product, seconds: seconds, place: text.place(line)))
  }

  private mutating func takeAttention(
    _ line: BenchmarkText.Line, _ row: [String: String], _ shape: [String: String],
    _ seconds: Double
  ) {
    guard let library = AttentionLibrary(rawValue: row.text("library")), library != .unfused,
      shape["document"] == nil, let heads = side(shape, "heads"),
      let shared = side(shape, "kv_heads"), let length = side(shape, "length"),
      let query = side(shape, "query"), let value = side(shape, "value"),
      let batch = side(shape, "batch"),
      let pass = AttentionCell.Pass(rawValue: row.text("direction"))
    else {
      unused["attention that is packed or unfused", default: 0] += 1
      return
    }
    let cell = AttentionCell(
      pass: pass,
      shape: AttentionShape(
        heads: heads * batch, queriesPerKey: max(1, heads / shared), queries: length,
        queryDimension: query, valueDimension: value, causal: shape["causal"] == "yes"),
      measuredSeconds: seconds)
    result.attention.append(
      MeasuredAttention(library: library, cell: cell, place: text.place(line)))
  }

  private mutating func takeStream(
    _ line: BenchmarkText.Line, _ row: [String: String], _ seconds: Double
  ) throws(ConfigurationError) {
    let name = ["name", "library", "direction"].map { row.text($0) }.joined(separator: " ")
    guard let (kernel, share) = StreamCells.kernels[name], kernel.substitute == nil,
      let bytes = try text.measured(row.text("bytes"), "bytes", line)
    else {
      unused["streaming kernels that are several, or of no class", default: 0] += 1
      return
    }
    result.streams.append(
      MeasuredStream(
        kernel: kernel, bytes: bytes * share, shape: "\(name) \(row.text("shape"))",
        seconds: seconds,
        place: text.place(line)))
  }

  private mutating func takeCollective(
    _ line: BenchmarkText.Line, _ row: [String: String], _ shape: [String: String],
    _ seconds: Double
  ) throws(ConfigurationError) {
    guard let kind = CollectiveCell.Kind(rawValue: row.text("name")),
      let ranks = side(shape, "ranks"), ranks > 1,
      let bytes = try text.measured(shape["bytes"] ?? "", "bytes", line)
    else { return }
    result.collectives.append(
      MeasuredCollective(
        kind: kind, ranks: ranks, nodes: 1, bytes: bytes, seconds: seconds,
        place: text.place(line)))
  }

  // MARK: Values that are measured themselves

  private mutating func takeHost(_ row: [String: String], _ seconds: Double) {
    switch row.text("name") {
    case "gap-in-graph":
      add("device.launch.gap", "\(figures(seconds * 1e6)) us", "kernels of a replayed graph")
    case "launch":
      add("device.launch.host", "\(figures(seconds * 1e6)) us", "launches of eager PyTorch")
    default: unused["times of the host", default: 0] += 1
    }
  }

  /// What the host takes for a layer of eager PyTorch, forward and backward, spread over the kernels that it launches.
  private mutating func takeLayer(
    _ row: [String: String], _ shape: [String: String], _ seconds: Double
  ) {
    guard let kernels = shape["kernels"].flatMap(positive) else {
      unused["layers without a count of their kernels", default: 0] += 1
      return
    }
    issued[row.text("direction")] = (seconds, kernels)
    guard let forward = issued["forward"], let backward = issued["backward"] else { return }
    let each = (forward.seconds + backward.seconds) / (forward.kernels + backward.kernels)
    add("device.launch.eager", "\(figures(each * 1e6)) us", "a layer of eager PyTorch")
  }

  private mutating func takeCopy(
    _ line: BenchmarkText.Line, _ row: [String: String], _ seconds: Double
  ) throws(ConfigurationError) {
    guard let bytes = try text.measured(row.text("bytes"), "bytes", line) else { return }
    switch row.text("name") {
    case "host-to-device":
      add(
        "device.host-link.reached", "\(figures(bytes / seconds / 1e9)) GB/s",
        "copies from pinned memory", at: line)
    case "device-to-device":
      add(
        "device.memory.reached", "\(figures(bytes / seconds / 1e12)) TB/s",
        "copies within the device's memory", at: line)
    default: unused["copies of both ways", default: 0] += 1
    }
  }

  private mutating func add(
    _ path: String, _ value: String, _ what: String, at line: BenchmarkText.Line? = nil
  ) {
    result.values.append(
      MeasuredValue(
        path: path, text: value, source: "\(what) on \(device): \(text.file)",
        place: line.map { text.place($0) }))
  }

  private var device: String {
    (conditions["device"] ?? "a device")
      + (conditions["driver_version"].map { ", driver \($0)" } ?? "")
      + (conditions["torch"].map { ", PyTorch \($0)" } ?? "")
  }

  private mutating func takeLoad(
    _ line: BenchmarkText.Line, _ row: [String: String], _ seconds: Double
  ) throws(ConfigurationError) {
    // The first 50 ms run at the clock of a burst.
    let first = numbers(in: row.text("note")).first
    guard let watts = try text.measured(row.text("watts"), "watts", line), let burst = first,
      burst > 0, let flops = try text.measured(row.text("flops"), "flops", line, zero: true),
      let bytes = try text.measured(row.text("bytes"), "bytes", line, zero: true)
    else { return }
    loads.append(
      PowerLoad(
        name: row.text("name"), format: row.text("format"), flops: flops, bytes: bytes,
        burst: burst * 1e-6, seconds: seconds, watts: watts))
  }

  // MARK: The end

  private mutating func finish() throws(ConfigurationError) {
    guard conditions["multiprocessors"] != nil else {
      throw text.error(
        nil,
        "was measured on \(conditions["device"] ?? "a processor"), without a GPU: it checks the "
          + "probe and "
          + "describes no device")
    }
    addPower()
    try addMemory()
    if let name = conditions["device"] {
      result.devices.append(
        MeasuredDevice(name: name, place: MeasuredPlace(file: text.file, line: 1)))
    }
    let count =
      result.products.count + result.attention.count + result.streams.count
      + result.collectives.count + result.values.count
    result.remarks.append("\(text.file): \(count) measurements on \(device)")
    if untimed > 0 {
      result.remarks.append(
        "\(text.file): \(untimed) rows without a time, with the reason in their note")
    }
    for (what, number) in unused.sorted(by: { $0.key < $1.key }) {
      result.remarks.append("\(text.file): \(number) x \(what) left out")
    }
  }

  /// What the driver has for programs, less than the product's name says or more.
  private mutating func addMemory() throws(ConfigurationError) {
    guard let word = conditions["memory"] else { return }
    guard let bytes = counting(Substring(word)), (1 << 30...1 << 50).contains(bytes) else {
      throw text.error(nil, "memory: \(word): expected bytes of the device, 1 GiB to 1 PiB")
    }
    add("device.memory.size", "\(bytes) B", "all that PyTorch has")
  }

  /// Energies, where the driver told watts and the cap.
  private mutating func addPower() {
    guard let idleWatts, let cap = conditions["power.limit"].flatMap({ positive($0) }),
      cap > idleWatts
    else { return }
    let energies = PowerFit.energies(loads, idle: idleWatts, cap: cap, exponent: 2)
    guard energies.bf16 > 0, energies.byte > 0 else { return }
    let loads = "loads of seconds under a cap of \(figures(cap)) W"
    add("device.energy.idle", "\(figures(idleWatts)) W", "an idle device")
    if energies.fp8 > 0 {
      add("device.energy.fp8", "\(figures(energies.fp8 * 1e12)) pJ", loads)
    }
    add("device.energy.bf16", "\(figures(energies.bf16 * 1e12)) pJ", loads)
    if energies.attention > 0 {
      add("device.energy.attention", "\(figures(energies.attention * 1e12)) pJ", loads)
    }
    add("device.energy.byte", "\(figures(energies.byte * 1e12)) pJ", "copies of seconds")
  }
}
