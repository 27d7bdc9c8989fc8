import Documents
import Testing

import Launchers

@Suite struct TOMLTests {
  @Test func valuesHavePathsAndLines() throws {
    let text = """
      # a comment
      top = 1_000
      [a."b.c"]
      x = "say \\"hi\\"" # behind
      y = ['one', "two",
        'three']
      z = {q = true, r = {s = -1}}
      [[list]]
      w = 2.2e-4
      long = \"\"\"
      several
      lines\"\"\"
      """
    let leaves = try TOML.leaves(of: text, file: "job.toml")
    #expect(
      leaves.map(\.path) == [
        "top", "a.b.c.x", "a.b.c.y", "a.b.c.z.q", "a.b.c.z.r.s", "list.w", "list.long",
      ])
    #expect(leaves.map(\.line) == [2, 4, 5, 7, 7, 9, 10])
    #expect(leaves[1].text == "say \"hi\"" && leaves[2].items == ["one", "two", "three"])
    #expect(leaves[4].text == "-1" && leaves[5].text == "2.2e-4")
  }

  @Test(arguments: [
    "a =", "a = 1 2", "[a", "a = [1", "a = {b = 1", "a = \"x", "= 1", "a = 1\na = 2", "a.b.c",
    "a = \(String(repeating: "[", count: 500))",
  ])
  func faultsAreOneErrorWithALine(_ text: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try TOML.leaves(of: text, file: "job.toml")
    }
    #expect(error?.line != nil)
  }
}
