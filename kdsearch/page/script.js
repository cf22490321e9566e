"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const LEAST = 640; // pixels: a narrower figure scrolls in its own box
  let printing = false;
  const plots = [...document.querySelectorAll("figure .plot")];

  function colours() {
    const night = dark.matches && !printing;
    return { text: night ? "#dfe4e9" : "#26313d", grid: night ? "#333c46" : "#e3e8ec", line: night ? "#c8ced6" : "#444444" };
  }

  function width(plot) {
    return Math.max(printing ? 680 : LEAST, Math.min(plot.parentElement.clientWidth, printing ? 680 : 4000));
  }

  function layout(plot) {
    const { text, grid, line } = colours();
    const source = plot.parentElement.querySelector('script[type="application/json"]').textContent;
    const own = JSON.parse(source.replaceAll("#444444", line).replaceAll("rgba(68, 68, 68,", "rgba(128, 128, 128,"));
    own.layout.paper_bgcolor = own.layout.plot_bgcolor = "rgba(0,0,0,0)";
    own.layout.font = { ...own.layout.font, color: text };
    own.layout.width = width(plot);
    own.layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: text };
    for (const [name, axis] of Object.entries(own.layout)) {
      if (/^[xy]axis/.test(name)) {
        axis.gridcolor = axis.zerolinecolor = axis.linecolor = grid;
      }
    }
    return own;
  }

  function draw(plot) {
    const own = layout(plot);
    return Plotly.react(plot, own.data, own.layout, {
      displaylogo: false, modeBarButtonsToRemove: ["pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
    });
  }

  function all() {
    return Promise.all(plots.map(draw));
  }

  if (plots.length) {
    all().then(() => document.documentElement.setAttribute("data-drawn", plots.length));
    dark.addEventListener("change", all);
    let waiting;
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(all, 150);
    });
    addEventListener("beforeprint", () => {
      printing = true;
      all();
    });
    addEventListener("afterprint", () => {
      printing = false;
      all();
    });
  }

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => (part.open = true));
  });

  for (const block of document.querySelectorAll(".code")) {
    const button = document.createElement("button");
    button.textContent = "Copy";
    button.type = "button";
    button.addEventListener("click", () => {
      const source = block.querySelector("code").textContent;
      navigator.clipboard.writeText(source).then(() => {
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      }, () => getSelection().selectAllChildren(block.querySelector("code")));
    });
    block.append(button);
  }
})();
