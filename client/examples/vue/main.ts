/** A room in a Vue page, from the npm package. */
import { createApp } from "vue";
import Dashboard from "./Dashboard.vue";

createApp(Dashboard).mount("#app");
