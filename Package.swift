// swift-tools-version: 6.2
import PackageDescription

/// Every room compiles in Swift 6 mode and stops at the first warning.
///
/// A release build has its functions' names and no further debug information, whose making took a sixth of it.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .unsafeFlags(["-Xfrontend", "-gnone"], .when(configuration: .release)),
]

/// The rooms of the house, in the order in which data flows: lower rooms know nothing of higher ones.
func room(
  _ name: String, _ dependencies: [Target.Dependency] = [], shipping folders: [String] = [],
  settings: [SwiftSetting] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: folders, swiftSettings: strict + settings,
    plugins: folders.isEmpty ? [] : ["EmbedFiles"])
}

/// Tests in release call what is optimised and are not optimised themselves: those of Simulation compile in 73 s of
/// processor time in place of 169, and the suite takes no longer.
let unoptimized =
  strict + [
    // Without the last option each file is checked twice, once for a module that nobody imports.
    .unsafeFlags(
      ["-Onone", "-no-emit-module-separately-wmo"], .when(configuration: .release))
  ]

/// The tests of a room.
///
/// They name all that they import: what is reached through others alone is not built again when it changes, and a
/// test that has another idea of a value than its maker crashes.
func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.init(stringLiteral: name)] + dependencies,
    resources: [.copy("Fixtures")], swiftSettings: unoptimized)
}

let yaml = Target.Dependency.product(name: "Yams", package: "Yams")
let real = Target.Dependency.product(name: "RealModule", package: "swift-numerics")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let arguments = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

/// Real training needs Open MPI and OpenBLAS; without the trait everything else still builds.
let withMPI = TargetDependencyCondition.when(traits: ["MPI"])

let package = Package(
  name: "sluice",
  products: [.executable(name: "sluice", targets: ["sluice"])],
  traits: [
    .default(enabledTraits: ["MPI"]),
    .trait(name: "MPI", description: "Real training over Open MPI with OpenBLAS."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-numerics", from: "1.1.1"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
  ],
  targets: [
    room("Quantities"),
    room("Documents", ["Quantities", yaml]),
    room("Tasks", ["Quantities", "Documents"]),
    room("Clusters", ["Quantities", "Documents"], shipping: ["Topologies"]),
    room("Models", ["Quantities", "Documents"], shipping: ["Shipped"]),
    room("Schedules"),
    room(
      "Plans", ["Quantities", "Documents", "Clusters", "Models", "Schedules"],
      shipping: ["Shipped"]),
    // What a run is as a description, and what it reads and keeps: none of the three needs ranks.
    room("Tokens", ["Quantities", "Documents"]),
    room("Checkpoints", ["Documents", "Models"]),
    room(
      "Runs",
      ["Quantities", "Documents", "Tasks", "Models", "Plans", "Tokens", "Checkpoints"]),
    room("Programs", ["Models", "Plans", "Schedules"]),
    room("Engines", ["Programs", "Schedules"]),
    room("Collectives"),
    room("Costs", ["Quantities", "Documents", "Clusters", real]),
    room(
      "Calibration", ["Quantities", "Documents", "Clusters", "Costs", real],
      shipping: ["Components", "Probe"]),
    room(
      "Simulation",
      [
        "Quantities", "Documents", "Clusters", "Models", "Schedules", "Plans", "Programs",
        "Engines", "Collectives", "Costs", heap, real,
      ],
      // What a step looks at lies in classes; to ask at each access whether another one is under way cost
      // a tenth of it. A debug build still asks.
      settings: [
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
      ]),
    room(
      "Forecasts",
      [
        "Quantities", "Documents", "Clusters", "Models", "Plans", "Runs", "Simulation", real,
      ]),
    room(
      "Planning",
      [
        "Quantities", "Documents", "Clusters", "Models", "Schedules", "Plans", "Programs", "Costs",
        "Simulation", heap, real,
      ]),
    room(
      "Validation",
      [
        "Quantities", "Documents", "Clusters", "Models", "Schedules", "Plans", "Programs",
        "Engines", "Costs", "Calibration", "Simulation",
      ],
      shipping: ["Published", "Components"]),
    .executableTarget(name: "embed-files", swiftSettings: strict),
    .plugin(name: "EmbedFiles", capability: .buildTool, dependencies: ["embed-files"]),
    .systemLibrary(
      name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    room("MessagePassing"),
    room("OpenMPI", ["MessagePassing", "CMPI"]),
    room(
      "Kernels", ["COpenBLAS", real],
      settings: [
        // AVX2 and FMA; the program asks missingProcessorFeatures() before it computes.
        .unsafeFlags(["-Xcc", "-march=x86-64-v3"]),
        // Without optimisation a kernel is 400 times slower, in debug builds too.
        .unsafeFlags(["-O"], .when(configuration: .debug)),
        // A workbench is a class; each count of FLOPs asked whether another access was under way.
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
      ]),
    room(
      "Training",
      [
        "Quantities", "Documents", "Tasks", "Models", "Schedules", "Plans", "Tokens",
        "Checkpoints", "Runs", "Programs", "Engines", "Collectives", "MessagePassing", "Kernels",
      ],
      // A rank's memory lies in classes too; of a rollout of a small model that was 3 %.
      settings: [
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
      ]),
    room("Launchers", ["Quantities", "Documents", "Models", "Plans"]),
    room(
      "Reports",
      [
        "Calibration", "Quantities", "Documents", "Clusters", "Models", "Schedules", "Plans",
        "Launchers", "Programs", "Engines", "Costs", "Simulation", "Forecasts", "Planning",
        "Validation",
      ], shipping: ["Assets"]),
    .executableTarget(
      name: "sluice",
      dependencies: [
        "Quantities", "Documents", "Clusters", "Models", "Schedules", "Plans", "Programs",
        "Calibration", "Engines", "Costs", "Simulation", "Forecasts", "Planning", "Validation",
        "Launchers", "Reports", "Tasks", "Tokens", "Checkpoints", "Runs", arguments,
        .target(name: "MessagePassing", condition: withMPI),
        .target(name: "Kernels", condition: withMPI),
        .target(name: "Training", condition: withMPI),
        .target(name: "OpenMPI", condition: withMPI),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "rank-checks", dependencies: ["OpenMPI", "MessagePassing"],
      path: "Tests/rank-checks", swiftSettings: strict),
    .executableTarget(
      name: "training-checks",
      dependencies: ["Tokens", "Checkpoints", "OpenMPI", "MessagePassing", "Training"],
      path: "Tests/training-checks", swiftSettings: strict),
    // What tests of several rooms need: folders, launched programs, processor time, chance.
    .target(
      name: "TestSupport", dependencies: ["Documents"], path: "Tests/TestSupport",
      swiftSettings: strict),
    tests(of: "Quantities", ["TestSupport"]),
    tests(of: "Documents", ["Quantities", "TestSupport"]),
    tests(of: "Tasks", ["Documents", "Quantities", "TestSupport"]),
    tests(of: "Clusters", ["Documents", "Quantities", "TestSupport"]),
    tests(of: "Models", ["Documents", "TestSupport"]),
    tests(of: "Schedules"),
    tests(of: "Plans", ["Clusters", "Documents", "Models", "Schedules", "TestSupport"]),
    tests(of: "Programs", ["Collectives", "Models", "Plans", "Schedules"]),
    tests(of: "Engines", ["Models", "Plans", "Programs", "Schedules"]),
    tests(of: "Collectives", ["TestSupport"]),
    tests(of: "Costs", ["Clusters", "Documents", "Quantities"]),
    tests(of: "Calibration", ["Clusters", "Costs", "Documents", "TestSupport"]),
    tests(
      of: "Simulation",
      [
        "Clusters", "Collectives", "Costs", "Documents", "Engines", "Models", "Plans", "Programs",
        "Quantities", "Schedules", "TestSupport",
      ]),
    tests(
      of: "Forecasts",
      [
        "Clusters", "Documents", "Models", "Plans", "Quantities", "Runs", "Simulation",
        "TestSupport",
      ]),
    tests(
      of: "Planning",
      [
        "Clusters", "Documents", "Models", "Plans", "Simulation", "TestSupport",
      ]),
    tests(
      of: "Validation",
      [
        "Clusters", "Documents", "Models", "Plans", "Simulation", "TestSupport",
      ]),
    tests(of: "MessagePassing", ["OpenMPI", "TestSupport"]),
    tests(of: "Kernels", ["TestSupport"]),
    tests(of: "Tokens", ["Documents", "Quantities", "TestSupport"]),
    tests(of: "Checkpoints", ["Documents", "Models", "Quantities", "TestSupport"]),
    tests(of: "Runs", ["Documents", "Plans", "Quantities", "TestSupport"]),
    tests(
      of: "Training",
      [
        "Checkpoints", "Collectives", "Documents", "Engines", "Kernels", "MessagePassing",
        "Models", "Plans", "Programs", "Quantities", "Runs", "Schedules", "TestSupport", "Tokens",
      ]),
    tests(of: "Launchers", ["Documents", "Models", "Plans", "TestSupport", "Validation"]),
    tests(
      of: "Reports",
      [
        "Clusters", "Costs", "Documents", "Engines", "Forecasts", "Models", "Planning", "Plans",
        "Programs", "Runs", "Schedules", "Simulation", "TestSupport", "Validation",
      ]),
    // What the command line alone sees: both worlds.
    .testTarget(
      name: "SluiceTests",
      dependencies: [
        "sluice", "Engines", "TestSupport", .target(name: "Training", condition: withMPI),
      ], resources: [.copy("Fixtures")], swiftSettings: unoptimized),
    // The walls between the rooms, and the limits of files: read from the sources.
    .testTarget(name: "HouseTests", swiftSettings: unoptimized),
    // Starts the built program; it needs nothing of it to be linked.
    .testTarget(
      name: "RunTests", dependencies: ["TestSupport"], resources: [.copy("Fixtures")],
      swiftSettings: unoptimized),
    .executableTarget(
      name: "bench-simulation",
      dependencies: ["Clusters", "Models", "Plans", "Costs", "Simulation"],
      path: "benchmarks/simulation", swiftSettings: strict),
    .executableTarget(
      name: "bench-search",
      dependencies: ["Clusters", "Models", "Plans", "Simulation", "Planning"],
      path: "benchmarks/search", swiftSettings: strict),
    .executableTarget(
      name: "bench-kernels", dependencies: ["COpenBLAS", "Kernels"], path: "benchmarks/kernels",
      swiftSettings: strict),
    .executableTarget(
      name: "bench-training",
      dependencies: [
        "Documents", "Models", "Plans", "Tokens", "MessagePassing", "OpenMPI", "COpenBLAS",
        "Kernels", "Training",
      ],
      path: "benchmarks/training", exclude: ["generate.py"], swiftSettings: strict),
    .executableTarget(
      name: "bench-faults", dependencies: ["Quantities", "Documents", "Runs", "Training"],
      path: "benchmarks/faults", swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
