import Clusters
import Costs
import Documents

/// Reads traces of PyTorch's profiler (Kineto), as JSON or compressed by gzip, event by event.
///
/// Times keep their nanoseconds: 16 digits of microseconds do not fit a Double. What overlaps is taken on the
/// device's streams. Annotations on the device's rows repeat the kernels' time and are passed over. Of messages equal
/// in kind, size and group the shortest counts: a kernel waits for its peers. Of products of equal shape, which
/// operators tell (`record_shapes`), the median counts. What is measured has the line in which its event begins.
struct KinetoTrace {
  private struct Span {
    var start, end: Int
    var isMessage: Bool
    var stream: Int
  }

  private struct Message: Hashable {
    var name: String
    var inputs, outputs: Int
    var format: String
    var group: Int
    var ranks: String
  }

  private struct Product: Hashable {
    var library: MatmulLibrary
    var sides: [Int]
  }

  private let file: String
  private let facts: MeasurementFacts
  private let devicesPerNode: Int?
  private var spans: [Span] = []
  private var classes: [String: KernelClass] = [:]
  private var totals: [KernelClass: (count: Int, nanoseconds: Int)] = [:]
  private var messages: [Message: (shortest: Int, line: Int, count: Int)] = [:]
  /// Kernels of messages that say nothing of them.
  private var unsized = 0
  private var operators: [Int: Product] = [:]
  private var products: [Int: (nanoseconds: Int, line: Int)] = [:]
  /// Bytes a nanosecond of copies of pinned memory from 1 MiB.
  private var copies: [(rate: Double, line: Int)] = []
  private var events = 0
  private var device: MeasuredDevice?
  /// What no clock says, of the first event that has it.
  private var fault: (line: Int, key: String, value: String, rule: String)?

  /// - Parameter devicesPerNode: how the ranks of groups lie on nodes, in their order.
  static func read(
    _ path: String, _ facts: MeasurementFacts, devicesPerNode: Int?
  ) throws(ConfigurationError) -> Measurements {
    let stream = try ByteStream(path)
    var reader = KinetoTrace(file: path, facts: facts, devicesPerNode: devicesPerNode)
    var events = TraceEvents()
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { piece.deallocate() }
    while true {
      let count = try stream.read(into: piece)
      guard count > 0 else { break }
      let isTrace = events.take(UnsafeRawBufferPointer(rebasing: piece[..<count])) {
        reader.take($0, inLine: $1)
      }
      if let fault = reader.fault {
        throw ConfigurationError(
          file: path, line: fault.line, keyPath: "traceEvents[\(reader.events - 1)].\(fault.key)",
          value: fault.value, rule: fault.rule)
      }
      guard isTrace else {
        throw ConfigurationError(file: path, rule: "is broken JSON, or no trace")
      }
    }
    if let line = events.secondText {
      throw ConfigurationError(
        file: path, line: line,
        rule: "begins a second trace behind the end of the first: give each a file of its own")
    }
    guard events.hasList else {
      throw ConfigurationError(file: path, rule: "is JSON without traceEvents: no trace")
    }
    guard events.isWhole else {
      throw ConfigurationError(file: path, rule: "ends within an event: the trace is cut")
    }
    reader.device = MeasuredDevice(events, file: path)
    return try reader.finish()
  }

  private init(file: String, facts: MeasurementFacts, devicesPerNode: Int?) {
    self.file = file
    self.facts = facts
    self.devicesPerNode = devicesPerNode
  }

  // MARK: Events

  private enum Category {
    case kernel, copy, fill, operation
  }

  private mutating func take(_ event: JSONObject, inLine line: Int) {
    guard fault == nil else { return }
    events += 1
    var category: Category?
    var isSpan = false
    var name: JSONSlice?
    var (time, duration): (JSONSlice?, JSONSlice?) = (nil, nil)
    var arguments: JSONSlice?
    event.forEach { key, value in
      if event.isText(key, "ph") {
        isSpan = event.isText(value.start..<value.end, "X")
      } else if event.isText(key, "cat") {
        category = Self.category(event, value)
      } else if event.isText(key, "name") {
        name = value
      } else if event.isText(key, "ts") {
        time = value
      } else if event.isText(key, "dur") {
        duration = value
      } else if event.isText(key, "args"), value.kind == .table {
        arguments = value
      }
    }
    guard isSpan, let category, let name, let time, let duration else { return }
    guard let (time, duration) = span(event, time, duration, line) else { return }
    switch category {
    case .operation: if let arguments { takeOperator(event, name, arguments) }
    case .kernel, .copy, .fill:
      takeKernel(event, category, name, time, duration, arguments, line)
    }
  }

  /// When an event began and how long it took, in nanoseconds; nil, and a fault, where that is no time.
  private mutating func span(
    _ event: JSONObject, _ time: JSONSlice, _ duration: JSONSlice, _ line: Int
  ) -> (Int, Int)? {
    guard let start = event.nanoseconds(time), abs(Double(start)) < 0x1p61 else {
      fault = (line, "ts", event.text(time), "expected microseconds of a clock")
      return nil
    }
    // No kernel takes five hours.
    guard let length = event.nanoseconds(duration), (0..<1 << 44).contains(length) else {
      fault = (
        line, "dur", event.text(duration), "expected microseconds of at least 0 and below 1.7e10"
      )
      return nil
    }
    return (start, length)
  }

  /// Older versions wrote `Kernel`, `Memcpy`, `Operator`.
  private static func category(_ event: JSONObject, _ value: JSONSlice) -> Category? {
    let range = value.start..<value.end
    if event.isText(range, "kernel") || event.isText(range, "Kernel") { return .kernel }
    if event.isText(range, "gpu_memcpy") || event.isText(range, "Memcpy") { return .copy }
    if event.isText(range, "gpu_memset") || event.isText(range, "Memset") { return .fill }
    if event.isText(range, "cpu_op") || event.isText(range, "Operator") { return .operation }
    return nil
  }

  private mutating func takeKernel(
    _ event: JSONObject, _ category: Category, _ name: JSONSlice, _ time: Int, _ duration: Int,
    _ arguments: JSONSlice?, _ line: Int
  ) {
    let end = time + duration
    let text = event.text(name)
    let kind: KernelClass
    if category != .kernel {
      kind = .movement
    } else if let known = classes[text] {
      kind = known
    } else {
      kind = KernelClass(text)
      classes[text] = kind
    }
    totals[kind, default: (0, 0)].count += 1
    totals[kind, default: (0, 0)].nanoseconds += duration
    var facts = KernelFacts()
    if let arguments { facts.read(event, arguments) }
    spans.append(
      Span(start: time, end: end, isMessage: kind == .communication, stream: facts.stream ?? -1))
    if kind == .communication, let collective = facts.collective, let group = facts.group {
      let message = Message(
        name: collective, inputs: facts.inputs ?? 0, outputs: facts.outputs ?? 0,
        format: facts.format ?? "", group: group, ranks: facts.ranks ?? "")
      let known = messages[message] ?? (Int.max, line, 0)
      messages[message] =
        duration < known.shortest
        ? (duration, line, known.count + 1) : (known.shortest, known.line, known.count + 1)
    } else if kind == .communication {
      unsized += 1
    } else if kind == .product, let identity = facts.external {
      products[identity, default: (0, line)].nanoseconds += duration
    } else if category == .copy, let bytes = facts.bytes, text.contains("Pinned"), bytes >= 1 << 20,
      duration > 0
    {
      copies.append((Double(bytes) / Double(duration), line))
    }
  }

  private mutating func takeOperator(
    _ event: JSONObject, _ name: JSONSlice, _ arguments: JSONSlice
  ) {
    let range = name.start..<name.end
    let isSum = event.isText(range, "aten::addmm")
    let isScaled = event.isText(range, "aten::_scaled_mm")
    let isBatched = event.isText(range, "aten::bmm")
    guard isSum || isScaled || isBatched || event.isText(range, "aten::mm") else { return }
    var facts = KernelFacts()
    facts.read(event, arguments)
    guard let identity = facts.external else { return }
    let shapes = isSum ? Array(facts.shapes.dropFirst()) : facts.shapes
    let formats = isSum ? Array(facts.formats.dropFirst()) : facts.formats
    guard shapes.count > 1, let format = formats.first else { return }
    let (left, right) = (shapes[0], shapes[1])
    let width = isBatched ? 3 : 2
    guard left.count == width, right.count == width, left[width - 1] == right[width - 2],
      (left + right).allSatisfy({ $0 > 0 && $0 <= 1 << 24 })
    else { return }
    let library: MatmulLibrary
    switch format {
    case "c10::BFloat16", "c10::Half": library = .bf16
    case _ where isScaled && format.hasPrefix("c10::Float8"): library = .fp8PerTensor
    default: return
    }
    let groups = isBatched ? left[0] : 1
    guard groups <= 1 << 16 else { return }
    operators[identity] = Product(
      library: library, sides: [left[width - 2], right[width - 1], left[width - 1], groups])
  }

  // MARK: What all of them say

  private consuming func finish() throws(ConfigurationError) -> Measurements {
    guard !spans.isEmpty else {
      throw ConfigurationError(
        file: file,
        rule: "has \(events) events and no kernel of a device: profile with ProfilerActivity.CUDA")
    }
    var result = Measurements()
    (result.traces, result.devices) = ([summary()], device.map { [$0] } ?? [])
    addMessages(&result)
    addProducts(&result)
    addCopies(&result)
    addGap(&result)
    return result
  }

  private func summary() -> TraceSummary {
    let first = spans.map(\.start).min() ?? 0
    let last = spans.map(\.end).max() ?? first
    let computing = Self.union(spans.filter { !$0.isMessage }.map { ($0.start, $0.end) })
    let moving = Self.union(spans.filter(\.isMessage).map { ($0.start, $0.end) })
    let either = Self.union(spans.map { ($0.start, $0.end) })
    return TraceSummary(
      file: file, device: device?.name,
      kernels: KernelClass.allCases.compactMap { kind in
        totals[kind].map {
          .init(name: kind.rawValue, count: $0.count, seconds: Double($0.nanoseconds) * 1e-9)
        }
      }.sorted { $0.seconds > $1.seconds },
      seconds: Double(last - first) * 1e-9, computing: Double(computing) * 1e-9,
      communicating: Double(moving) * 1e-9, exposed: Double(either - computing) * 1e-9)
  }

  /// Nanoseconds that intervals cover.
  private static func union(_ intervals: [(start: Int, end: Int)]) -> Int {
    var covered = 0
    var reached = Int.min
    for interval in intervals.sorted(by: { $0.start < $1.start }) where interval.end > reached {
      covered += interval.end - max(interval.start, reached)
      reached = interval.end
    }
    return covered
  }

  private func addMessages(_ result: inout Measurements) {
    var left: [String: Int] = [:]
    let ordered = messages.sorted {
      ($0.key.name, $0.key.group, $0.key.inputs, $0.key.outputs, $0.key.ranks)
        < ($1.key.name, $1.key.group, $1.key.inputs, $1.key.outputs, $1.key.ranks)
    }
    for (message, times) in ordered {
      guard let cell = cell(message, times.shortest, times.line) else {
        left[message.name, default: 0] += times.count
        continue
      }
      result.collectives.append(cell)
    }
    if !result.collectives.isEmpty {
      if facts.nodes != nil { result.facts.use(.nodes) }
      let count = ordered.reduce(0) { $0 + $1.value.count }
      result.remarks.append(
        "\(file): of \(count) messages those of equal kind, size and group count by their "
          + "shortest, since kernels "
          + "wait for peers"
          + (devicesPerNode.map { "; ranks are taken to fill nodes of \($0)" } ?? ""))
    }
    if unsized > 0 {
      result.remarks.append(
        "\(file): \(unsized) x messages left out: their kernels do not say of which collective, group and size they are"
      )
    }
    for (name, count) in left.sorted(by: { $0.key < $1.key }) {
      result.remarks.append(
        "\(file): \(count) x \(name) left out: no such collective, or sizes or group are not said")
    }
  }

  private func cell(
    _ message: Message, _ nanoseconds: Int, _ line: Int
  ) -> MeasuredCollective? {
    let sizes = [
      "BFloat16": 2, "Half": 2, "Float": 4, "Double": 8, "Byte": 1, "Char": 1, "Long": 8, "Int": 4,
      "Float8_e4m3fn": 1, "Float8_e5m2": 1, "Bool": 1,
    ]
    guard message.group > 1, nanoseconds > 0, let width = sizes[message.format] else { return nil }
    let name = message.name.lowercased().filter { $0 != "_" && $0 != "-" }
    let kind: CollectiveCell.Kind
    let count: Int
    if name.contains("allreduce") {
      (kind, count) = (.allReduce, message.inputs)
    } else if name.contains("allgather") {
      (kind, count) = (.allGather, message.outputs)
    } else if name.contains("reducescatter") {
      (kind, count) = (.reduceScatter, message.inputs)
    } else if name.contains("alltoall") {
      (kind, count) = (.allToAll, message.inputs)
    } else {
      return nil
    }
    guard count > 0, count < 1 << 50 else { return nil }
    let members = numbers(in: message.ranks).compactMap { Int(exactly: $0) }
    let nodes = devicesPerNode.flatMap { devices in
      members.count == message.group ? Set(members.map { $0 / devices }).count : nil
    }
    let known = facts.nodes ?? nodes
    if let known, message.group % known != 0 { return nil }
    var measured = MeasuredCollective(
      kind: kind, ranks: message.group, nodes: known, bytes: Double(count * width),
      seconds: Double(nanoseconds) * 1e-9, place: MeasuredPlace(file: file, line: line))
    measured.mayWait = true
    return measured
  }

  private func addProducts(_ result: inout Measurements) {
    var times: [Product: [(nanoseconds: Int, line: Int)]] = [:]
    for (identity, time) in products {
      if let product = operators[identity] { times[product, default: []].append(time) }
    }
    for (product, all) in times.sorted(by: { $0.key.sides.lexicographicallyPrecedes($1.key.sides) })
    {
      let (middle, line) = all.sorted(by: <)[all.count / 2]
      guard middle > 0 else { continue }
      result.products.append(
        MeasuredProduct(
          library: product.library,
          shape: MatmulShape(
            rows: Array(repeating: product.sides[0], count: product.sides[3]),
            columns: product.sides[1], depth: product.sides[2]),
          seconds: Double(middle) * 1e-9, place: MeasuredPlace(file: file, line: line)))
    }
    if times.isEmpty, !products.isEmpty {
      result.remarks.append(
        "\(file): products without shapes: profile with record_shapes=True to fit them")
    }
  }

  private func addCopies(_ result: inout Measurements) {
    guard let fastest = copies.max(by: { $0.rate < $1.rate }) else { return }
    result.values.append(
      MeasuredValue(
        path: "device.host-link.reached", text: "\(figures(fastest.rate)) GB/s",
        source: "\(file): the fastest of \(copies.count) copies of pinned memory from 1 MiB",
        place: MeasuredPlace(file: file, line: fastest.line)))
  }

  /// Gaps of the stream that computes most: the median of those up to 10 us, as shipped traces were read.
  private func addGap(_ result: inout Measurements) {
    var work: [Int: Int] = [:]
    for span in spans where !span.isMessage {
      work[span.stream, default: 0] += span.end - span.start
    }
    guard let stream = work.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else {
      return
    }
    let own = spans.filter { $0.stream == stream }.sorted { $0.start < $1.start }
    let gaps = zip(own, own.dropFirst()).map { $1.start - $0.end }
      .filter { (1...10_000).contains($0) }.sorted()
    guard gaps.count >= 100 else { return }
    result.values.append(
      MeasuredValue(
        path: "device.launch.gap", text: "\(figures(Double(gaps[gaps.count / 2]) * 1e-3)) us",
        source: "\(file): the median of \(gaps.count) gaps up to 10 us between kernels of a stream")
    )
  }
}
