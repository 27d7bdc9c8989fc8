import Clusters
import Costs
import Documents
import Plans
import TestSupport
import Testing

/// No value without effect: whoever changes one in a file sees a figure move, or a message.
///
/// Every value of every shipped plan and cluster, and of files with the keys that none of them has, is
/// replaced by others that its own description in the reference suggests.
@Suite struct KeyEffectTests {
  private static let plans = entries(of: Plan.keyReference)
  private static let clusters = entries(of: Cluster.keyReference)

  private static func entries(of reference: KeyReference) -> [String: KeyEntry] {
    Dictionary(
      reference.leaves.map { ($0.path, $0.entry) }, uniquingKeysWith: { first, _ in first })
  }

  @Test(arguments: Plan.shippedNames) func shippedPlans(name: String) throws {
    try expectEffects(
      Scenes.shippedPlan(name), .plan, [Scenes.home(ofPlan: name)], OwnFiles())
  }

  @Test(arguments: Cluster.shippedNames) func shippedClusters(name: String) throws {
    let document = try Scenes.shippedCluster(name)
    try expectEffects(document, .cluster, Scenes.all(on: document), OwnFiles())
  }

  @Test(arguments: 0..<9) func ownPlans(index: Int) throws {
    let files = try OwnFiles()
    let plan = try files.plans()[index]
    try expectEffects(plan.scene.plan, .plan, [plan.scene], files)
  }

  @Test func ownCluster() throws {
    let document = try Document(text: OwnFiles.layered(nodes: 32), name: "layered.yaml")
    try expectEffects(document, .cluster, Scenes.all(on: document), OwnFiles())
  }

  @Test func calibratedCluster() throws {
    let document = try Document(text: OwnFiles.calibrated, name: "calibrated.yaml")
    try expectEffects(
      document, .cluster, Scenes.all(on: document), OwnFiles(), under: "node.collectives")
  }

  @Test(arguments: OwnFiles.degradations) func degradations(place: String) throws {
    let document = try Document(
      text: OwnFiles.layered(nodes: 8, degraded: place), name: "degraded.yaml")
    try expectEffects(
      document, .cluster, Scenes.all(on: document), OwnFiles(), under: "degraded")
  }

  @Test(arguments: OwnFiles.failures) func failures(text: String) throws {
    let document = try Document(
      text: OwnFiles.layered(nodes: 8) + "\n" + text, name: "failing.yaml")
    for section in ["failures", "storage"] {
      try expectEffects(document, .cluster, [], OwnFiles(), under: section)
    }
  }

  /// No key of the reference is left out by the files above.
  @Test func everyKeyIsTried() throws {
    let files = try OwnFiles()
    let plans =
      try Plan.shippedNames.map(Scenes.shippedPlan) + files.plans().map(\.scene.plan)
    let clusters =
      try Cluster.shippedNames.map(Scenes.shippedCluster)
      + ([""] + OwnFiles.degradations).map {
        try Document(text: OwnFiles.layered(nodes: 8, degraded: $0), name: "own.yaml")
      }
      + (OwnFiles.failures + [OwnFiles.calibrated]).map {
        try Document(text: $0, name: "own.yaml")
      }
    for (entries, documents) in [(Self.plans, plans), (Self.clusters, clusters)] {
      let tried = Set(try documents.flatMap(Leaf.all).map(\.described))
      // ProcessorStepTests.valuesAct tries every key of this section, as the same reference has them.
      let missing = Set(entries.keys).subtracting(tried)
        .filter { !$0.hasPrefix("device.processor.") }
      #expect(missing.isEmpty, "\(missing.sorted())")
    }
  }

  private func expectEffects(
    _ document: Document, _ file: Scene.File, _ scenes: [Scene], _ files: OwnFiles,
    under path: String = ""
  ) throws {
    var outcomes: [Trial<[String: Double]>.Scene] = []
    if file == .cluster {
      // What costs least to ask comes first.
      outcomes.append { try Scene.cost(on: document, $0) }
      if try Cluster(document).storage != nil {
        outcomes.append { try files.forecast(on: document, $0) }
      }
    }
    outcomes += scenes.map { scene in
      { try scene.outcome(file, $0) }
    }
    var trial = try Trial(outcomes)
    // A name that moves nothing is asked for in every scene; one file with all of them is enough.
    var brief = try Trial(
      document.name == "h800-2048.yaml" ? outcomes : Array(outcomes.prefix(3)))
    let entries = file == .plan ? Self.plans : Self.clusters
    for leaf in try Leaf.all(in: document) where leaf.path.hasPrefix(path) {
      let reason = Reasons.forNothing(document.name, leaf)
      let entry = entries[leaf.described]
      let verdict =
        reason == Reasons.name
        ? try verdict(leaf, file, entry, &brief, files)
        : try verdict(leaf, file, entry, &trial, files)
      let place = "\(document.name): \(leaf.path)"
      switch (verdict, reason) {
      case (.acts, nil), (.isRefused, nil), (.limits, .bounds), (.isIgnored, .nothing): break
      case (_, let reason?): Issue.record("\(place): \(verdict), though \(reason)")
      case (_, nil): Issue.record("\(place): \(verdict)")
      }
    }
  }

  private func verdict(
    _ leaf: Leaf, _ file: Scene.File, _ entry: KeyEntry?,
    _ trial: inout Trial<[String: Double]>, _ files: OwnFiles
  ) throws -> Verdict {
    let form: ValueForm
    if let own = entry?.form {
      form = own
    } else {
      // The name of another description, whose table is taken.
      guard file == .cluster, let text = leaf.text, Cluster.shippedNames.contains(text) else {
        return .isUnknown
      }
      form = .choice(Cluster.shippedNames)
    }
    var changes = leaf.changes(form)
    changes += entry?.form == nil ? files.otherClusters : files.alternatives(leaf.path)
    return try trial.verdict(leaf, among: changes)
  }
}
