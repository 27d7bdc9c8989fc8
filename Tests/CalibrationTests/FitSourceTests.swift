import Calibration
import Clusters
import Testing

/// What a constant's source says of the fit that gives it.
@Suite struct FitSourceTests {
  /// A source that names a fit names one that exists and fits this very constant: a reader who types the
  /// command finds it there.
  @Test(arguments: Cluster.shippedNames) func sourcesNameTheFit(cluster: String) throws {
    for fact in try Cluster.shipped(cluster).facts
    where ["device.kernels.", "device.energy.", "node.collectives."].contains(
      where: fact.path.hasPrefix)
    {
      let parts = fact.origin.description.split(separator: "--shipped ", maxSplits: 1)
      guard parts.count == 2 else { continue }
      let name = String(parts[1].prefix { $0.isLetter || $0.isNumber || $0 == "-" })
      // Energies of other devices come from the benchmark's clock, which products are fitted with.
      if fact.path.hasPrefix("device.energy."), !name.hasSuffix("-power") { continue }
      let constants = try #require(Self.constants(of: name), "\(fact.path) names \(name)")
      #expect(
        constants.contains { fact.path.hasSuffix($0) }, "\(fact.path) is no constant of \(name)")
    }
  }

  /// The ends of the paths of what a fit finds; nil if there is none of this name.
  private static func constants(of name: String) -> [String]? {
    if let fit = ProductFit.all.first(where: { $0.measurements == name }) {
      return fit.parameters.map { ".\(fit.library.rawValue).\($0.name)" }
    }
    if let fit = AttentionFit.all.first(where: { $0.measurements == name }) {
      return fit.parts.flatMap { part in
        part.parameters.map {
          ".\(part.library.rawValue).width-\(part.width).\($0.name)"
        }
      }
    }
    if let fit = StreamFit.all.first(where: { $0.measurements == name }) {
      return try? fit.run().constants.map { ".\($0.key)" }
    }
    if PowerFit.all.contains(where: { $0.measurements == name }) {
      return [".idle", ".fp8", ".bf16", ".attention", ".byte"]
    }
    guard let fit = ShippedFit.all.first(where: { $0.machine == name }) else { return nil }
    return fit.constantNames.map { ".\($0)" }
  }
}
