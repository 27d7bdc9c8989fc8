import Clusters
import Costs
import Documents
import Quantities

extension Calibrator {
  /// The parts of the device's kernels, and what could not be fitted.
  func kernelParts(
    _ all: Measurements, _ values: [MeasuredValue]
  ) throws(ConfigurationError) -> ([FittedPart], [Unfittable]) {
    let lacking = lackingKernels(all)
    guard lacking.isEmpty else { return ([], lacking) }
    var found: [([FittedPart], [Unfittable])] = []
    if !all.products.isEmpty {
      found.append(try ProductParts(base: base, measured: all.products).parts())
    }
    if !all.attention.isEmpty {
      found.append(try AttentionParts(base: base, measured: all.attention).parts())
    }
    let reached =
      values.first { $0.path == "device.memory.reached" }
      .flatMap { BytesPerSecond.read($0.text) } ?? base.device.memory.reached.value.value
    found.append(try StreamParts(base: base, measured: all.streams).parts(reached: reached))
    return (found.flatMap(\.0), found.flatMap(\.1))
  }

  /// The kinds of kernels that a device needs for times of steps, and the first row of each.
  private static func kinds(_ all: Measurements) -> [(name: String, place: MeasuredPlace?)] {
    [
      ("16-bit products", all.products.first { !$0.library.isFP8 }?.place),
      ("attention", all.attention.first?.place), ("streaming kernels", all.streams.first?.place),
    ]
  }

  private var hasKernels: Bool { base.device.kernels.field != nil }

  /// What was measured of a device without kernels of its own, where other kinds are missing.
  private func lackingKernels(_ all: Measurements) -> [Unfittable] {
    let kinds = Self.kinds(all)
    let missing = kinds.filter { $0.place == nil }.map(\.name)
    guard !hasKernels, !missing.isEmpty else { return [] }
    let measured = [(name: "products", place: all.products.first?.place)] + kinds.dropFirst()
    return measured.compactMap { name, place in
      guard let place else { return nil }
      return Unfittable(
        what: "\(name) (\(place.file))",
        reason: "\(base.name) has no kernels to go with them, and no file measures "
          + missing.joined(separator: " or ")
          + ": sluice calibrate --probe measures all kinds, --borrow-kernels NAME takes others'")
    }
  }

  /// The same on a base with another device's kernels, from which the fit of a device without any begins; nil where
  /// it has kernels, or where files do not measure all kinds.
  func standingIn(for all: Measurements, file: String) throws(ConfigurationError) -> Calibrator? {
    guard !hasKernels, Self.kinds(all).allSatisfy({ $0.place != nil }) else { return nil }
    var own = self
    (own.kernels, own.kernelsStandIn) = (Cluster.standIn, true)
    own.base = try Cluster(
      Document(text: own.text(of: [], name: base.name, file: file), name: file))
    return own
  }

  /// Libraries of the kernels that stand in and of which nothing was measured: the device has none of them.
  func unmeasuredLibraries(_ parts: [FittedPart]) -> [FittedConstant] {
    guard kernelsStandIn else { return [] }
    let found = parts.flatMap(\.constants).map(\.path)
    func unmeasured(_ section: String, _ names: [String], needed: [String]) -> [FittedConstant] {
      func isFitted(_ name: String) -> Bool {
        found.contains { $0.hasPrefix("\(section).\(name).") }
      }
      guard needed.contains(where: isFitted) else { return [] }
      return names.filter { !isFitted($0) }.map {
        FittedConstant(path: "\(section).\($0)", text: nil, source: "not measured")
      }
    }
    let libraries = MatmulLibrary.allCases
    let attention = AttentionLibrary.preferred.map(\.rawValue)
    return unmeasured(
      "device.kernels.matmul", libraries.map(\.rawValue),
      needed: libraries.filter { !$0.isFP8 }.map(\.rawValue))
      + unmeasured("device.kernels.attention", attention, needed: attention)
  }

  /// What a device has that had no kernels of its own, and what it lacks.
  func standInRemarks(_ parts: [FittedPart]) -> [String] {
    guard kernelsStandIn, let kernels else { return [] }
    let lacksFP8 =
      base.device.peak(of: .fp8) != nil
      && unmeasuredLibraries(parts).contains {
        $0.path.hasPrefix("device.kernels.matmul.") && $0.path.contains("fp8")
      }
      && !parts.contains { $0.title.hasPrefix("products by ") && $0.title.contains("fp8") }
    return [
      "\(base.name) has no kernels of its own: what these files do not decide is as efficient as on "
        + "\(kernels) (--borrow-kernels NAME for another)"
        + (lacksFP8 ? "; no products in FP8 were measured, and it has none" : "")
    ]
  }
}
