// The one module that the page asks for; all others follow from it.

import { createApp } from "./main.js";

void createApp().start();
