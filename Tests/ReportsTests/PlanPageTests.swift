import Foundation
import Testing

/// The page of a plan whose experts have a mesh of their own.
@Suite struct PlanPageTests {
  private static let folded = """
    data-parallel: 16
    tensor-parallel: 2
    pipeline-parallel: 2
    expert-parallel: 16
    expert-tensor-parallel: 1
    global-batch: 64
    sequence-length: 4096
    """

  private func page(_ text: String, _ more: String...) throws -> Command {
    let scratch = try Scratch()
    defer { withExtendedLifetime(scratch) {} }
    return try Command.run(["plan", try scratch.write(text, "plan.yaml")] + more)
  }

  /// Both meshes, and the groups of each with what their ranks share.
  @Test func bothMeshesAreShown() throws {
    let page = try page(Self.folded, "--model", "qwen3-235b-a22b")
    #expect(page.status == 0, "\(page.errors)")
    for words in [
      "dense mesh   tp 2 x cp 1 x dp 16: the 32 ranks of a pipeline position",
      "expert mesh  etp 1 x ep 16 x edp 2: the same ranks",
    ] { #expect(page.output.contains(words), "\(page.output)") }
    let rows = page.output.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    for row in [
      "tensor a layer's products 32 2 0, 1", "data all but experts 4 16 0, 2, 4, 6, … 30",
      "expert a layer's experts 4 16 0, 1, 2, 3, … 15", "expert-data the same experts 32 2 0, 16",
    ] { #expect(rows.contains(row), "\(page.output)") }
    #expect(page.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  /// A model without experts has no mesh of theirs.
  @Test func denseModelsHaveOneMesh() throws {
    let text = "data-parallel: 4\ntensor-parallel: 2\nglobal-batch: 8\nsequence-length: 512\n"
    let page = try page(text, "--model", "llama-3.1-8b")
    #expect(page.status == 0, "\(page.errors)")
    #expect(!page.output.contains("mesh") && !page.output.contains("expert"))
  }

  /// What the experts' mesh refuses names the product and the nearest degree that divides it.
  @Test func refusalsNameTheNearestDegree() throws {
    let page = try page(
      Self.folded, "--model", "qwen3-235b-a22b", "--set", "plan.expert-parallel=12")
    #expect(page.status == 1)
    #expect(
      page.errors.contains(
        "expert-parallel 12 does not divide the 32 ranks of a pipeline position (tensor-parallel 2 x "
          + "context-parallel 1 x data-parallel 16); the nearest that does is 8"), "\(page.errors)")
  }
}
