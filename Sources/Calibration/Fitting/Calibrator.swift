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
  /// Whether nobody asked for these kernels: they are where the fit begins.
  var kernelsStandIn = false
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
    try all.facts.check()
    return try fit(all, formats, name: name, file: file, isWritten: isWritten)
  }

  /// Fits what was read.
  package func fit(
    _ read: Measurements, _ formats: [(file: String, format: BenchmarkFormat)] = [], name: String,
    file: String, isWritten: Bool = true
  ) throws(ConfigurationError) -> Outcome {
    if let own = try standingIn(for: read, file: file) {
      return try own.fit(read, formats, name: name, file: file, isWritten: isWritten)
    }
    var all = read
    all.collectives = read.collectives.shortestOfTraces
    var parts: [FittedPart] = []
    var refused: [Unfittable] = []
    func add(_ found: ([FittedPart], [Unfittable])) {
      parts += found.0.filter { $0.misfit == nil }
      refused += found.0.compactMap(\.misfit) + found.1
    }
    try MeasuredDevice.check(all.devices)
    try HardwareLimits(base: base).check(all)
    let differing = try Contradictions.remarks(of: all)
    let (distinct, others) = Contradictions.distinct(all.values)
    let (unusable, kept) = usable(distinct)
    var rates = ReachedRates(all, base)
    add(try links(of: all, &rates, file: file))
    add(try kernelParts(all, kept))
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
      remarks: all.remarks + standInRemarks(parts) + differing + others + unusable
        + parts.flatMap(\.remarks) + parts.compactMap(\.warning) + twice
        + [MeasuredDevice.remark(all.devices, base: base.name, device: base.device.name)]
        .compactMap { $0 },
      traces: all.traces, formats: formats, text: text, cluster: cluster)
  }

  /// A remark without the file and the line in front of it, which an error has by itself.
  private static func withoutPlace(_ remark: String) -> String {
    remark.firstRange(of: ": ").map { String(remark[$0.upperBound...]) } ?? remark
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
    constants += ceilings(parts, rates) + unmeasuredLibraries(parts)
    return text(of: constants, name: name, file: file)
  }

  /// The file of some constants on top of the base.
  func text(of constants: [FittedConstant], name: String, file: String) -> String {
    ClusterText(
      name: name, base: base, baseName: nameInFile(file), kernels: kernels, constants: constants
    ).text
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
