import Testing

/// The walls between the rooms: which room may import which.
@Suite struct WallTests {
  /// What a room may import of the other rooms; one that is not here may not be.
  static let allowed: [String: Set<String>] = {
    let plans: Set = ["Quantities", "Documents", "Clusters", "Models", "Schedules"]
    let engines = plans.union(["Plans", "Programs"])
    let simulation = engines.union(["Engines", "Collectives", "Costs"])
    let runs = plans.subtracting(["Schedules"]).union(["Plans", "Tasks", "Tokens", "Checkpoints"])
    let training = engines.union(runs).union([
      "Runs", "Engines", "Collectives", "Kernels", "MessagePassing",
    ])
    let reports = simulation.union([
      "Calibration", "Simulation", "Forecasts", "Planning", "Validation", "Launchers",
    ])
    return [
      "Quantities": [],
      "Documents": ["Quantities"],
      "Tasks": ["Quantities", "Documents"],
      "Clusters": ["Quantities", "Documents"],
      "Models": ["Quantities", "Documents"],
      "Schedules": [],
      "Plans": plans,
      "Tokens": ["Quantities", "Documents"],
      "Checkpoints": ["Quantities", "Documents", "Models", "Plans"],
      "Runs": runs,
      "Programs": ["Quantities", "Models", "Plans", "Schedules"],
      "Engines": ["Programs", "Schedules"],
      "Collectives": ["Quantities"],
      "Costs": ["Quantities", "Documents", "Clusters", "Programs", "Collectives"],
      "Calibration": ["Quantities", "Documents", "Clusters", "Costs"],
      "Simulation": simulation.union(["Runs"]),
      "Forecasts": [
        "Quantities", "Documents", "Clusters", "Models", "Plans", "Runs", "Simulation",
      ],
      "Planning": simulation.union(["Simulation"]),
      "Validation": simulation.union(["Simulation", "Calibration"]),
      "Launchers": ["Quantities", "Documents", "Models", "Plans"],
      "CMPI": [], "COpenBLAS": [], "embed-files": [],
      "MessagePassing": [],
      "OpenMPI": ["MessagePassing", "CMPI"],
      "Kernels": ["COpenBLAS"],
      "Training": training,
      "Reports": reports,
      "sluice": reports.union(training).union(["Reports", "Training", "OpenMPI"]),
    ]
  }()

  /// What other packages give, and to which rooms.
  static let packages: [String: Set<String>] = [
    "Yams": ["Documents"],
    "RealModule": ["Calibration", "Costs", "Forecasts", "Kernels", "Planning", "Simulation"],
    "HeapModule": ["Planning", "Simulation"],
    "ArgumentParser": ["sluice"],
  ]

  /// What the system gives, to every room that is not pure.
  static let system: Set = ["Foundation", "Glibc", "Darwin", "Dispatch", "Synchronization"]

  /// Rooms that know nothing of a machine: no files, no threads, no clock.
  static let pure: Set = ["Schedules", "Collectives", "Programs", "Engines", "Costs"]

  private func isAllowed(_ module: String, in room: String) -> Bool {
    if let rooms = Self.packages[module] { return rooms.contains(room) }
    if Self.system.contains(module) { return !Self.pure.contains(room) }
    return Self.allowed[room]?.contains(module) ?? false
  }

  @Test func everyImportIsAllowed() throws {
    let files = try House().files(below: ["Sources"])
    #expect(files.count > 300)
    for file in files {
      let room = String(file.folder.dropFirst("Sources/".count))
      #expect(Self.allowed[room] != nil, "\(file.path): there is no room \(room)")
      for module in file.imports {
        #expect(isAllowed(module, in: room), "\(file.path): \(room) may not import \(module)")
      }
    }
  }

  @Test func everyDependencyIsAllowed() throws {
    let dependencies = try House().dependencies()
    for room in Self.allowed.keys.sorted() {
      let found = try #require(dependencies[room], "the manifest has no \(room)")
      for module in found.sorted() {
        #expect(isAllowed(module, in: room), "Package.swift: \(room) may not depend on \(module)")
      }
    }
  }

  /// Nothing is imported by way of what another room depends on, and nothing is declared in vain.
  @Test func theManifestNamesWhatIsImported() throws {
    let house = House()
    let dependencies = try house.dependencies()
    let folders = [
      "benchmarks/simulation": "bench-simulation", "benchmarks/kernels": "bench-kernels",
      "benchmarks/training": "bench-training", "benchmarks/search": "bench-search",
      "benchmarks/faults": "bench-faults",
    ]
    var imported: [String: Set<String>] = [:]
    for file in try house.files(below: ["Sources", "benchmarks"]) {
      let target = folders[file.folder] ?? String(file.folder.dropFirst("Sources/".count))
      imported[target, default: []].formUnion(file.imports.filter { !Self.system.contains($0) })
    }
    #expect(imported.count > 20)
    for target in imported.keys.sorted() {
      let declared = try #require(dependencies[target], "the manifest has no \(target)")
      #expect(declared == imported[target], "Package.swift: \(target)")
    }
  }

  /// Tests are built again when what they import changes: what is reached by way of others alone is not looked at.
  @Test func testsNameWhatTheyImport() throws {
    let house = House()
    let declared = try house.dependenciesOfTests()
    #expect(declared.count > 20)
    let rooms = Set(Self.allowed.keys).union(["TestSupport"])
    for room in declared.keys.sorted() {
      let files = try house.files(below: ["Tests"]).filter {
        ($0.folder + "/").hasPrefix("Tests/\(room)Tests/")
      }
      #expect(!files.isEmpty, "\(room)")
      let imported = Set(files.flatMap(\.imports)).intersection(rooms).subtracting([room])
      #expect(imported.isSubset(of: declared[room] ?? []), "Package.swift: tests of \(room)")
    }
  }

  /// What is measured and what is predicted never meet below the command line.
  @Test func trainingAndSimulationAreApart() throws {
    let dependencies = try House().dependencies()
    func reached(from room: String) -> Set<String> {
      var reached: Set<String> = []
      var waiting = [room]
      while let next = waiting.popLast() {
        for module in dependencies[next] ?? [] where reached.insert(module).inserted {
          waiting.append(module)
        }
      }
      return reached
    }
    let measured: Set = ["Training", "Kernels", "MessagePassing", "OpenMPI", "COpenBLAS", "CMPI"]
    #expect(reached(from: "Training").isDisjoint(with: ["Costs", "Simulation", "Planning"]))
    for room in [
      "Tokens", "Checkpoints", "Runs", "Costs", "Simulation", "Forecasts", "Planning", "Validation",
      "Launchers", "Reports",
    ] {
      #expect(!reached(from: room).isEmpty)
      #expect(reached(from: room).isDisjoint(with: measured), "\(room)")
    }
    #expect(reached(from: "Schedules").isEmpty)
    #expect(try House().files(below: ["Sources/Schedules"]).allSatisfy(\.imports.isEmpty))
  }

  /// Imports that follow one another are in order, also where the formatter does not look: behind `#if`.
  @Test func importsAreInOrder() throws {
    for file in try House().files(below: ["Sources", "Tests", "benchmarks"]) {
      var last: String?
      for line in file.lines {
        guard !line.contains("@testable"), let module = importedModule(in: line) else {
          last = nil
          continue
        }
        if let last { #expect(last <= module, "\(file.path): \(module) behind \(last)") }
        last = module
      }
    }
  }

  /// Chance has one generator: what it adds to its state stands in one file.
  @Test func oneGeneratorOfChance() throws {
    let generators = try House().files(below: ["Sources"]).filter { file in
      file.lines.contains { $0.replacing("_", with: "").contains("0x9E3779B97F4A7C15") }
    }
    #expect(generators.map(\.path) == ["Sources/Quantities/SeededGenerator.swift"])
  }

  /// The reader of imports sees every way to write one.
  @Test func importsAreRead() {
    let lines: [Substring] = [
      "import Costs", "  internal import CMPI", "@testable import sluice",
      "@_exported public import Plans", "import struct Foundation.URL  // why", "// import Costs",
      "let text = \"import Costs\"", "important(Costs)",
    ]
    #expect(
      lines.map { importedModule(in: $0) } == [
        "Costs", "CMPI", "sluice", "Plans", "Foundation", nil, nil, nil,
      ])
  }
}
