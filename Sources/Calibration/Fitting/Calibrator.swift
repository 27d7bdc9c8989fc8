import Clusters
import Costs
import Documents
import Quantities

/// Turns benchmark outputs into a cluster: a base and what was measured of it.
public struct Calibrator: Sendable {
  /// The cluster that says what the files do not, and the name or path that it was asked for by.
  public var base: Cluster
  public var baseName: String
  /// The cluster whose kernels stand for what nobody measured of the base's device.
  public var kernels: String?
  public var facts: MeasurementFacts

  public init(
    base: Cluster, named baseName: String, kernels: String? = nil, facts: MeasurementFacts
  ) {
    self.base = base
    self.baseName = baseName
    self.kernels = kernels
    self.facts = facts
  }

  /// What came out: constants, the file that holds them, and what they say of every measurement.
  public struct Outcome: Sendable {
    public var parts: [FittedPart]
    public var refused: [Unfittable]
    public var values: [MeasuredValue]
    public var remarks: [String]
    public var traces: [TraceSummary]
    public var formats: [(file: String, format: BenchmarkFormat)]
    /// The cluster's file, and what it reads as.
    public var text: String
    public var cluster: Cluster
  }

  /// Reads files and fits what they measure.
  ///
  /// - Parameters:
  ///   - name: what the new cluster is called.
  ///   - file: where it will lie: paths in it are sought from there.
  ///   - isWritten: whether it will; a trace alone may be looked at otherwise.
  /// - Throws: `ConfigurationError` for a fault of a file, and where nothing at all can be fitted.
  public func run(
    _ files: [String], name: String, file: String, isWritten: Bool
  ) throws(ConfigurationError) -> Outcome {
    var all = Measurements()
    var formats: [(file: String, format: BenchmarkFormat)] = []
    for path in files {
      let (format, measurements) = try BenchmarkFormat.read(
        path, facts, devicesPerNode: base.node.devices.value)
      formats.append((path, format))
      all += measurements
    }
    return try fit(all, formats, name: name, file: file, isWritten: isWritten)
  }

  /// Fits what was read.
  package func fit(
    _ read: Measurements, _ formats: [(file: String, format: BenchmarkFormat)] = [], name: String,
    file: String, isWritten: Bool = true
  ) throws(ConfigurationError) -> Outcome {
    var all = read
    all.collectives = read.collectives.shortestOfTraces
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    func add(_ found: ([FittedPart], [Unfittable])) {
      parts += found.0
      refused += found.1
    }
    try MeasuredDevice.check(all.devices)
    try HardwareLimits(base: base).check(all)
    let differing = try Contradictions.remarks(of: all)
    let (distinct, others) = Contradictions.distinct(all.values)
    let (unusable, kept) = usable(distinct)
    let rates = ReachedRates(all, base)
    try fitMessages(all, rates, add)
    if !all.products.isEmpty {
      add(try ProductParts(base: base, measured: all.products).parts())
    }
    if !all.attention.isEmpty {
      add(try AttentionParts(base: base, measured: all.attention).parts())
    }
    let reached =
      kept.first { $0.path == "device.memory.reached" }
      .flatMap { BytesPerSecond.read($0.text) } ?? base.device.memory.reached.value.value
    add(try StreamParts(base: base, measured: all.streams).parts(reached: reached))
    if parts.isEmpty, kept.isEmpty, isWritten || all.traces.isEmpty {
      let reasons = refused.map { "\($0.what): \($0.reason)" }
      throw ConfigurationError(
        file: formats.first?.file ?? file,
        rule: reasons.isEmpty
          ? all.remarks.first.map { Self.withoutPlace($0) } ?? "nothing in it can be fitted"
          : "cannot be fitted: " + reasons.prefix(3).joined(separator: "; ")
            + (reasons.count > 3 ? "; and \(reasons.count - 3) more" : ""))
    }
    let twice = Self.withoutRepeatedKeys(&parts)
    let text = try written(parts, kept, rates, name: name, file: file)
    let cluster = try Cluster(Document(text: text, name: file))
    for place in parts.indices {
      let predictions = try parts[place].predict(cluster)
      for (index, prediction) in predictions.enumerated() {
        parts[place].points[index].predicted = prediction
      }
    }
    return Outcome(
      parts: parts, refused: refused, values: kept,
      remarks: all.remarks + differing + others + unusable + parts.flatMap(\.remarks) + twice
        + [MeasuredDevice.remark(all.devices, base: base.name, device: base.device.name)]
        .compactMap { $0 },
      traces: all.traces, formats: formats, text: text, cluster: cluster)
  }

  /// A remark without the file and the line in front of it, which an error has by itself.
  private static func withoutPlace(_ remark: String) -> String {
    remark.firstRange(of: ": ").map { String(remark[$0.upperBound...]) } ?? remark
  }

  private func fitMessages(
    _ all: Measurements, _ rates: ReachedRates, _ add: (([FittedPart], [Unfittable])) -> Void
  ) throws(ConfigurationError) {
    if !all.collectives.isEmpty {
      var constants = try CollectiveConstants(base)
      // What a link reached is the ceiling of what is found, as the file will have it.
      constants.linkReached = max(
        constants.linkReached, min(rates.link, constants.linkBandwidth))
      if let adapter = base.node.adapters?.rate.bandwidth.value.value {
        constants.networkReached = max(
          constants.networkReached, min(1, rates.adapter / adapter) * constants.networkBandwidth)
      }
      add(try CollectiveParts(base: base, measured: all.collectives).parts(&constants))
    }
    add(try MessageParts(base: base, measured: all.messages, facts: facts).parts())
    add(try ExchangeParts(base: base, measured: all.exchanges).parts())
  }

  /// Values for keys that the base has, and lines about others.
  private func usable(_ values: [MeasuredValue]) -> (remarks: [String], values: [MeasuredValue]) {
    var remarks: [String] = []
    let kept = values.filter { value in
      let needsLink = value.path.hasPrefix("device.host-link") && base.device.hostLink == nil
      let needsEnergy = value.path.hasPrefix("device.energy") && base.device.energy == nil
      if needsLink || needsEnergy {
        remarks.append("\(value.path) of \(value.text) left out: \(base.name) has no such section")
      }
      return !needsLink && !needsEnergy
    }
    return (remarks, kept)
  }

  // MARK: The file

  /// Takes keys out of parts that an earlier one gives too, and says so: a file has each once.
  private static func withoutRepeatedKeys(_ parts: inout [FittedPart]) -> [String] {
    var titles: [String: String] = [:]
    var remarks: [String] = []
    for place in parts.indices {
      let title = parts[place].title
      for constant in parts[place].constants {
        guard let first = titles[constant.path] else { continue }
        remarks.append(
          "\(constant.path): \(constant.text ?? "nothing") by \(title) left out, what \(first) give "
            + "stands, and both are compared with it")
      }
      parts[place].constants.removeAll { titles[$0.path] != nil }
      for constant in parts[place].constants { titles[constant.path] = title }
    }
    return remarks
  }

  private func written(
    _ parts: [FittedPart], _ values: [MeasuredValue], _ rates: ReachedRates, name: String,
    file: String
  ) throws(ConfigurationError) -> String {
    var constants = values.map {
      FittedConstant(path: $0.path, text: $0.text, source: $0.source)
    }
    constants += parts.flatMap(\.constants)
    constants += ceilings(parts, rates)
    return ClusterText(
      name: name, base: base, baseName: nameInFile(file), kernels: kernels, constants: constants
    ).text
  }

  /// What links reached, where rows got more than the base says: no further than they got, since the shares that
  /// are fitted are of messages without an end.
  private func ceilings(_ parts: [FittedPart], _ rates: ReachedRates) -> [FittedConstant] {
    func most(_ names: [String]) -> (share: Double, source: String)? {
      parts.flatMap(\.constants).filter { constant in
        names.contains { constant.path.hasSuffix($0) }
      }.compactMap { constant in
        constant.text.flatMap { Double($0) }.map { ($0, constant.source) }
      }.max { $0.0 < $1.0 }
    }
    var ceilings: [FittedConstant] = []
    func add(_ path: String, _ names: [String], _ rate: LinkRate, _ seen: Double) {
      guard !parts.contains(where: { $0.constants.contains { $0.path == path } }),
        let (share, source) = most(names)
      else { return }
      let reached = min(min(1, share) * rate.bandwidth.value.value, seen)
      guard reached > rate.reached.value.value else { return }
      ceilings.append(
        FittedConstant(
          path: path,
          text: "\(figuresUp(reached / 1e9, atMost: rate.bandwidth.value.value / 1e9)) GB/s",
          source: "the most that any of these got: \(source)"))
    }
    add(
      "node.link.reached", [".link-share", ".link-share-across"], base.node.link.rate, rates.link)
    if let adapters = base.node.adapters {
      add("node.adapters.reached", [".network-share"], adapters.rate, rates.adapter)
    }
    return ceilings
  }

  /// Four figures, rounded up but to no more than a share of one in ten thousand: a ceiling must not cut.
  private func figuresUp(_ value: Double, atMost limit: Double) -> String {
    figures(value * 1.00005, atMost: limit)
  }

  /// The base as a file in some folder names it.
  private func nameInFile(_ file: String) -> String {
    let isPath =
      baseName.contains("/") || [".yaml", ".yml", ".json"].contains { baseName.hasSuffix($0) }
    guard isPath, !baseName.hasPrefix("/") else { return baseName }
    let folder = file.lastIndex(of: "/").map { file[..<$0] } ?? ""
    if folder.isEmpty { return baseName }
    if baseName.hasPrefix(folder + "/") { return String(baseName.dropFirst(folder.count + 1)) }
    return workingFolder() + "/" + baseName
  }
}

extension BytesPerSecond {
  /// A rate as text, bytes a second.
  static func read(_ text: String) -> Double? {
    guard case .value(let rate) = parse(text) else { return nil }
    return rate.value
  }
}
